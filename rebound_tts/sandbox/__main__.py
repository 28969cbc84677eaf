"""Runs the sandbox alone: `python -m rebound_tts.sandbox --port N [--host 127.0.0.1] [--empty]`.

The first line on stdout is one line of JSON with the addresses and keys; everything else goes to stderr.
"""

import argparse
import json
import logging
import signal
import sys
import threading

from rebound_tts.sandbox.server import Sandbox


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m rebound_tts.sandbox", description=__doc__)
    parser.add_argument("--port", type=int, default=8899, help="the port to serve on; 0 picks a free one")
    parser.add_argument("--host", default="127.0.0.1", help="the address to bind to")
    parser.add_argument("--empty", action="store_true", help="start without sellers, orders and returns")
    options = parser.parse_args()
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")

    sandbox = Sandbox(host=options.host, port=options.port, empty=options.empty)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    sandbox.start()
    sys.stdout.write(json.dumps(sandbox.connection()) + "\n")
    sys.stdout.flush()
    stop.wait()
    sandbox.stop()


if __name__ == "__main__":
    main()
