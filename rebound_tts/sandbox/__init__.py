"""A pretend TikTok Shop and a pretend ReBound, over real HTTP, for the demo, the tests and the benchmarks.

It imports nothing of ours: a mistake in our clients must not be copied into what tests them.
Start it with `python -m rebound_tts.sandbox --port 0`, or inside a process with `rebound_tts.sandbox.server.Sandbox`.
"""
