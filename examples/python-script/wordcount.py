"""Counts the words of a text, the most frequent first."""
import collections
import re
import sys


def count(text):
    return collections.Counter(re.findall(r"[a-z']+", text.lower())).most_common()


if __name__ == "__main__":
    for word, times in count(sys.stdin.read()):
        print(f"{times:4} {word}")
