#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Moves a known number of bytes over one TCP connection, for the lab's own tests.

transfer.py serve PORT          take one connection, read it to its end, acknowledge, print the bytes
transfer.py send HOST PORT N    send N bytes, wait for the acknowledgement, print "bytes seconds"

TRANSFER_PATIENCE_S (default 60) bounds every wait.
"""
import os
import socket
import sys
import time

BLOCK = 1 << 18
PATIENCE_S = float(os.environ.get("TRANSFER_PATIENCE_S", "60"))


def serve(port):
    with socket.create_server(("", port)) as listener:
        listener.settimeout(PATIENCE_S)
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(PATIENCE_S)
            received = 0
            while block := connection.recv(BLOCK):
                received += len(block)
            connection.sendall(b"k")
    print(received)


def connect(host, port):
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return socket.create_connection((host, port), timeout=PATIENCE_S)
        except OSError:  # the server may not listen yet
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def send(host, port, size):
    block = bytes(BLOCK)
    with connect(host, port) as connection:
        connection.settimeout(PATIENCE_S)
        start = time.monotonic()
        for offset in range(0, size, BLOCK):
            connection.sendall(block[: min(BLOCK, size - offset)])
        connection.shutdown(socket.SHUT_WR)
        connection.recv(1)  # the receiver has all of it; what a sender's buffer still holds would not count
        print(size, time.monotonic() - start)


def main(arguments):
    if len(arguments) == 2 and arguments[0] == "serve":
        serve(int(arguments[1]))
    elif len(arguments) == 4 and arguments[0] == "send":
        send(arguments[1], int(arguments[2]), int(arguments[3]))
    else:
        sys.exit(__doc__)


main(sys.argv[1:])
