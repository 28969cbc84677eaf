"""Each new row is written into fewer indexes: those of a merchant alone where another starts with the merchant, and those
of an event for what it names only once it is handled. Labels that are not delivered are counted by their index alone."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('merchants', '0016_refused_grants'),
        ('returns', '0018_return_poll_in_turns'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='webhookevent',
            index=models.Index(condition=models.Q(('merchant__isnull', False)), fields=['merchant'], name='events_of_a_merchant'),
        ),
        migrations.AddIndex(
            model_name='webhookevent',
            index=models.Index(condition=models.Q(('tiktok_return__isnull', False)), fields=['tiktok_return'], name='events_of_a_return'),
        ),
        migrations.AlterField(
            model_name='tiktokreturn',
            name='merchant',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='tiktok_returns', to='merchants.merchant'),
        ),
        migrations.AlterField(
            model_name='tiktokreturnitem',
            name='merchant',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='merchants.merchant'),
        ),
        migrations.AlterField(
            model_name='webhookevent',
            name='merchant',
            field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='merchants.merchant'),
        ),
        migrations.AlterField(
            model_name='webhookevent',
            name='tiktok_return',
            field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='events', to='returns.tiktokreturn'),
        ),
        migrations.RemoveIndex(
            model_name='tiktokreturn',
            name='returns_without_labels',
        ),
        migrations.AddIndex(
            model_name='tiktokreturn',
            index=models.Index(condition=models.Q(('label_delivered_at__isnull', True), ('rebound_return__isnull', False)), fields=['status', 'merchant', 'id', 'label_delivered_at', 'rebound_return'], name='returns_without_labels'),
        ),
    ]
