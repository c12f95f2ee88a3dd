"""Stories, and what becomes of them at other desks."""

import hashlib
import random

PLACES = ["Oslo", "Bergen", "Kiel", "Leeds", "Boston", "Dublin", "Turin", "Gdansk"]
FIRMS = ["Halden Maritime", "Northgate Energy", "Volta Cell", "Aurelia Robotics", "Oriel Analytics", "Seaport Holdings"]  # fmt: skip
PEOPLE = ["Ingrid Berg", "Maya Okafor", "Jonas Keller", "Daniel Stein", "Niamh Doyle", "Susan Pike"]
FILLERS = "the of and to in said that for on was with it by from which has been would more than their new after over year also into about other most under last week plant deal price market order board plan share staff ship power".split()  # fmt: skip


def names(seed):
    """Who is in a story."""
    chance = random.Random(f"names {seed}")
    return chance.sample(FIRMS, 3) + chance.sample(PEOPLE, 3) + chance.sample(PLACES, 2)


def story(seed, n_words=200):
    """A story of its own: words, names and numbers that no other has in this order."""
    chance = random.Random(seed)
    who, words = names(seed), []
    while len(words) < n_words:
        kind = chance.random()
        if kind < 0.06:
            words += chance.choice(who).split()
        elif kind < 0.12:
            words.append(str(chance.randint(100, 99_999)))
        else:
            words.append(chance.choice(FILLERS))
    return " ".join(words)


def edited(text, share, seed=0):
    """With some of its words replaced."""
    chance = random.Random(f"edit {seed}")
    return " ".join(chance.choice(FILLERS) if chance.random() < share else w for w in text.split())


def refilled(text, seed):
    """The same sentences about other people, with other numbers: a letter to another customer."""
    chance = random.Random(f"refill {seed}")
    for mine, other in zip(FIRMS + PEOPLE + PLACES, (f"Other{i} Name{i}" for i in range(99)), strict=False):  # fmt: skip
        text = text.replace(mine, f"{other}{seed}")
    return " ".join(str(chance.randint(100, 99_999)) if w.isdigit() else w for w in text.split())


def ids_of(who):
    """Ids as names have them."""
    return [(hashlib.sha256(w.encode()).hexdigest()[:20], 2) for w in who]
