"""Each pushed item is written into three indexes instead of four, each order into six instead of seven: the merchant's is
the start of another, and nothing is found by the client."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('matching', '0014_reference_by_tiktok_order'),
        ('merchants', '0016_refused_grants'),
    ]

    operations = [
        migrations.AlterField(
            model_name='itemmatch',
            name='merchant',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='merchants.merchant'),
        ),
        migrations.AlterField(
            model_name='salesorder',
            name='api_client',
            field=models.ForeignKey(blank=True, db_index=False, help_text='Who pushed it last.', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='merchants.apiclient'),
        ),
        migrations.AlterField(
            model_name='salesorderitem',
            name='merchant',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='merchants.merchant'),
        ),
    ]
