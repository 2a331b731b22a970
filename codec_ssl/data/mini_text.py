"""Sentences for the embedded corpus: small grammars over word lists, in the languages of MLS.

A pattern names word lists in braces; a sentence takes one entry of each. All text is our own.
"""

import re

import numpy as np

KEYWORDS = (
    "yes",
    "no",
    "left",
    "right",
    "seven",
    "window",
    "measure",
    "yellow",
    "thunder",
    "orange",
)

_ENGLISH = {
    "patterns": (
        "{det} {adj} {noun} {verb} {det2} {noun2} {place}",
        "{when} {name} {verb} {number} {adj} {things}",
        "{name} with {det} {noun} {verb} {det2} {adj2} {noun2}",
        "{det} {noun} {place} {verb} {number} {things}",
        "{number} {things} {move} {place} {when}",
        "{name} {move} {place} with {det} {adj} {noun}",
        "why does {det} {noun} {ask} {det2} {noun2} {place}",
        "{name} said that {det} {adj} {noun} {move} {place}",
    ),
    "det": "the a this that every one his her our their my your",
    "det2": "the a some another each its",
    "adj": """young quiet yellow thin thick warm clever foolish usual strange heavy bright rough
        smooth narrow huge gentle curious lazy proud royal pure sour noisy cheap fresh joyful
        brown green white good full long purple loud precious shy""",
    "adj2": """broken tiny wooden sugary golden second third fifth empty famous hidden useful dusty
        frozen sharp square round silver healthy wicked""",
    "noun": """boy girl teacher judge fisherman nurse singer farmer child baker doctor thief king
        queen sailor cook tourist painter mother father author tailor pilot dancer guard uncle
        cousin neighbour tutor""",
    "noun2": """boat garage bridge kitchen engine feather measure choice coin fire tower church
        leather jacket bicycle orange yacht harbour guitar mirror shovel basket letter hammer
        cushion book bush pulley barrel puzzle bottle candle ladder parcel pudding voyage
        mouth path""",
    "verb": """watches catches finds enjoys measures chooses sharpens carries paints breaks
        remembers follows avoids welcomes describes teaches repairs uses washes changes throws
        examines wraps""",
    "ask": """watch need follow bring want choose join chase leave mention push touch hide move""",
    "move": """walks sits sleeps waits sings moves works returns laughs jumps hurries dances
        disappears""",
    "number": "two three four five six seven eight nine ten eleven twelve twenty thirty hundred",
    "things": """apples oranges books houses horses chairs sheep watches buttons roses bridges
        clouds cookies cooks stones songs wishes teeth shoes keys voices boxes birds fish onions
        cherries""",
    "name": "Joan Arthur Ruth George Zoe Hugh Ian Claire Joyce Theo Judith Victor Emma Noah",
    "place": [
        "near the river",
        "under the old bridge",
        "behind the church",
        "in the quiet garden",
        "by the south door",
        "on the third floor",
        "beside a large pool",
        "across the valley",
        "above the shop",
        "through the thick fog",
        "at the royal theatre",
        "outside the garage",
        "between two hills",
        "over there",
    ],
    "when": [
        "this morning",
        "on Thursday",
        "every evening",
        "in January",
        "once a year",
        "after supper",
        "before noon",
        "at the weekend",
        "tonight",
        "usually",
    ],
}

_OTHERS = {
    "de": (
        ["der alte Mann", "die junge Frau", "mein Bruder", "unser Lehrer", "das kleine Mädchen"],
        ["sucht", "findet", "zeichnet", "braucht", "verkauft"],
        ["einen schönen Garten", "zwölf Bücher", "das neue Haus", "zwei Äpfel", "eine Tür"],
        ["am Fluss", "hinter der Kirche", "in der Küche", "heute Abend", "jeden Morgen"],
    ),
    "es": (
        ["el viejo pescador", "la niña", "mi hermano", "nuestro vecino", "una mujer joven"],
        ["busca", "encuentra", "dibuja", "quiere", "vende"],
        ["cinco zapatos", "una guitarra", "el libro rojo", "dos naranjas", "la llave"],
        ["cerca del río", "en la cocina", "por la mañana", "detrás de la iglesia", "esta noche"],
    ),
    "fr": (
        ["le vieux pêcheur", "la petite fille", "mon frère", "notre voisin", "une jeune femme"],
        ["cherche", "trouve", "dessine", "regarde", "vend"],
        ["un bon gâteau", "deux oranges", "la lune", "huit livres", "une feuille blanche"],
        ["près du village", "dans la cuisine", "ce matin", "derrière le pont", "sous la pluie"],
    ),
    "it": (
        ["il vecchio pescatore", "la bambina", "mio fratello", "il vicino", "una giovane donna"],
        ["cerca", "trova", "disegna", "guarda", "vende"],
        ["la chiave", "due arance", "il libro rosso", "una bella chitarra", "sette gnocchi"],
        ["vicino al fiume", "in cucina", "stamattina", "dietro la chiesa", "ogni sera"],
    ),
    "nl": (
        ["de oude visser", "het kleine meisje", "mijn broer", "onze leraar", "een jonge vrouw"],
        ["zoekt", "vindt", "tekent", "koopt", "verkoopt"],
        ["een nieuw huis", "twaalf boeken", "de groene deur", "vijf appels", "een oude fiets"],
        ["bij de rivier", "achter de kerk", "in de keuken", "vanavond", "elke morgen"],
    ),
    "pl": (
        ["stary rybak", "mała dziewczynka", "mój brat", "nasz sąsiad", "młoda kobieta"],
        ["widzi", "znajduje", "rysuje", "kupuje", "sprzedaje"],
        ["nowy dom", "dziesięć książek", "zielone drzwi", "pięć jabłek", "świeży chleb"],
        ["nad rzeką", "za kościołem", "w kuchni", "dziś wieczorem", "każdego ranka"],
    ),
    "pt": (
        ["o velho pescador", "a menina", "meu irmão", "nosso vizinho", "uma jovem mulher"],
        ["procura", "encontra", "desenha", "compra", "vende"],
        ["a chave", "duas laranjas", "o livro vermelho", "um pão quente", "nove sapatos"],
        ["perto do rio", "na cozinha", "esta manhã", "atrás da igreja", "toda noite"],
    ),
}

LANGUAGES = ("en", *_OTHERS)


def sentence(language: str, rng: np.random.Generator) -> str:
    """Return one random sentence, words parted by single blanks, without punctuation.

    Args:
        language: One of ``LANGUAGES``.
        rng: Where the choices come from.
    """
    if language != "en":
        return " ".join(part[rng.integers(len(part))] for part in _OTHERS[language])
    patterns = _ENGLISH["patterns"]
    pattern = patterns[rng.integers(len(patterns))]
    return re.sub(r"\{(\w+)\}", lambda match: _pick(_ENGLISH[match[1]], rng), pattern)


def _pick(entries: str | list[str], rng: np.random.Generator) -> str:
    listed = entries.split() if isinstance(entries, str) else entries
    return listed[rng.integers(len(listed))]
