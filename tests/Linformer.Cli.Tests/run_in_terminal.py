"""Runs a program in a pseudo terminal and presses keys. Prints what came of it, as JSON.

Arguments: columns, rows, a JSON list of steps [text to wait for, what to do], the program with its arguments.
What to do is keys to press, or "resize COLUMNS ROWS". A step waits for text that is written after the step before.
"""
import fcntl
import json
import os
import pty
import select
import struct
import sys
import termios
import time

columns, rows, steps = int(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3])
END = time.monotonic() + 120


def resize(terminal, width, height):
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))


parent, child = pty.openpty()
resize(child, columns, rows)
before = termios.tcgetattr(child)
process = os.fork()
if process == 0:
    os.close(parent)
    os.login_tty(child) if hasattr(os, "login_tty") else (os.setsid(), fcntl.ioctl(child, termios.TIOCSCTTY, 0), [os.dup2(child, to) for to in (0, 1, 2)])
    os.execv(sys.argv[4], sys.argv[4:])

output, mark, status = b"", 0, None
while time.monotonic() < END:
    if select.select([parent], [], [], 0.05)[0]:
        output += os.read(parent, 65536)
    elif status is not None:
        break
    while steps and steps[0][0].encode() in output[mark:]:
        _, action = steps.pop(0)
        mark = len(output)
        if action.startswith("resize "):
            resize(parent, *map(int, action.split()[1:]))
        else:
            os.write(parent, action.encode())
    if status is None:
        done, code = os.waitpid(process, os.WNOHANG)
        status = code if done else None
if status is None:
    os.kill(process, 9)
    os.waitpid(process, 0)

after = termios.tcgetattr(child)
print(json.dumps({
    "exitCode": None if status is None else os.waitstatus_to_exitcode(status),
    "output": output.decode(errors="replace"),
    "restored": before[3] & (termios.ECHO | termios.ICANON) == after[3] & (termios.ECHO | termios.ICANON),
    "left": steps,
}))
