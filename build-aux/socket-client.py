#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Sends standard input into a Unix socket and prints what comes back, until the
other end closes or a line has come."""
import socket
import sys
import threading

client = socket.socket(socket.AF_UNIX)
client.connect(sys.argv[1])


def send():
    client.sendall(sys.stdin.buffer.read())


threading.Thread(target=send, daemon=True).start()
answer = b""
while not answer.endswith(b"\n"):
    part = client.recv(4096)
    if not part:
        break
    answer += part
sys.stdout.buffer.write(answer)
