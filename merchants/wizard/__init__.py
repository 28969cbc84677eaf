"""The merchant's pages: signing in by TikTok, the install wizard, and the status home that follows it."""
