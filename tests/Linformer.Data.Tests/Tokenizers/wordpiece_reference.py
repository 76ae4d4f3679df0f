"""BERT's tokenisation, written from its description, to compare the product with.

usage: wordpiece_reference.py uncased|cased OUT.json

OUT holds a vocabulary, texts, and the ids of each text. Texts are every assigned character between two letters, and random ones.
"""
import json
import random
import sys
import unicodedata


def is_chinese(c):
    n = ord(c)
    blocks = [(0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F),
              (0x2B740, 0x2B81F), (0x2B820, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F)]
    return any(a <= n <= b for a, b in blocks)


def is_punctuation(c):
    if ord(c) < 128:
        return c in "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
    return unicodedata.category(c)[0] == "P"


def words(text, lowercase):
    kept = []
    for c in text:
        if c in "\t\n\r" or unicodedata.category(c) in ("Zs", "Zl", "Zp"):
            kept.append(" ")
        elif c != "\ufffd" and unicodedata.category(c)[0] != "C":
            kept.append(" " + c + " " if is_chinese(c) else c)
    text = "".join(kept)
    if lowercase:
        text = "".join(c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn")
        text = "".join(c.lower() for c in text)
    return "".join(" " + c + " " if is_punctuation(c) else c for c in text).split(" ")


def pieces(word, vocabulary):
    if len(word) > 100:
        return ["[UNK]"]
    out = []
    while word:
        mark = "##" if out else ""
        for end in range(len(word), 0, -1):
            if mark + word[:end] in vocabulary:
                break
        else:
            return ["[UNK]"]
        out.append(mark + word[:end])
        word = word[end:]
    return out


def main(kind, out):
    lowercase = kind == "uncased"
    draw = random.Random(1)
    assigned = [chr(n) for n in range(0x20, 0x30000) if unicodedata.category(chr(n)) not in ("Cn", "Cs", "Co")]
    texts = ["a" + c + "b" for c in assigned]
    common = [c for c in assigned if ord(c) < 0x600] + list("\t\n \u2028\u3000\ufffd가각힣北京ＡｂﬁİΣς́👩‍🚀")
    for _ in range(500):
        texts.append("".join(draw.choice(common) if draw.random() < 0.3 else draw.choice("abAB  .,'") for _ in range(draw.randrange(1, 60))))
    texts += ["x" * 99, "x" * 100, "x" * 101, "𝔘" * 100, "𝔘" * 101, "", "   ", "[MASK] [CLS]", "unaffable", "The quick-brown fox's \"den\"."]

    seen = sorted({c for text in texts for word in words(text, lowercase) for c in word})
    # Every third character is not in the vocabulary, or only at the start of words.
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "ab", "##ab", "aba", "##bab", "un", "##aff", "##able", "the"]
    vocabulary += [c for i, c in enumerate(seen) if i % 3 != 0 or c in "abx𝔘"]
    vocabulary += ["##" + c for i, c in enumerate(seen) if i % 3 != 1 or c in "abx𝔘"]
    ids = {token: i for i, token in enumerate(vocabulary)}
    assert len(ids) == len(vocabulary)
    encoded = [[ids[piece] for word in words(text, lowercase) if word for piece in pieces(word, ids)] for text in texts]
    with open(out, "w", encoding="utf-8") as f:
        json.dump({"vocabulary": vocabulary, "texts": texts, "ids": encoded}, f)


if __name__ == "__main__":
    main(*sys.argv[1:])
