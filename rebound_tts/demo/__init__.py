"""`make demo`: the whole product against the sandbox, over real HTTP, playing a story.

Starts the sandbox, the web server and the workers on free ports, lets merchants connect, buyers return and labels
arrive, and holds the result against what the story expects. Nothing in the product knows that it is a demo.
"""
