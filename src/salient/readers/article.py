"""Which blocks of a page are its article, and which are the site around it.

Every block is worth something: running text for, links and scraps against. The article is the element
whose blocks are worth most together; within it, what the site's own class names call sharing,
related, promotion or comment is taken out again. When the page itself declares its article's text
(schema.org), blocks that are in it count more.

Source: the subtree of greatest worth is our own; the words against come from what Readability,
Boilerpipe and jusText found to tell text from furniture (Kohlschütter et al. 2010, Pomikálek 2011).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from salient.model import Kind
from salient.readers.markup import Node, Page, Segment

_WORD = re.compile(r"\w+")
_SENTENCE_END = re.compile(r"[.!?…。！？।؟][\"'”’»)\]]*(?:\s|$)")

# Tested against an element's class and id, cut into words.
_AGAINST = re.compile(
    r"(?:^|[\W_])(?:"
    r"comments?(?:list|s?area)?|disqus|replies|respond|related(?:posts|articles|content|stories)?|recirc\w*|recommend(?:ed|ations?)?|"
    r"read(?:more|next)|see(?:also)|more(?:from|stories|news|on)|trending|popular|mostread|most(?:popular|read|viewed)|latest|"
    r"share(?:bar|tools|this|links)?|sharing|social(?:links|icons|share|bar|media(?!embed))?|sharedaddy|addthis|addtoany|jp-relatedposts|"
    r"newsletters?|subscri(?:be|ption|bers?)|signup|sign-?up|paywall|regwall|promo(?:tion|s|ted)?|sponsor(?:ed|s)?|"
    r"ads?|advert\w*|adsbygoogle|adunit|banner|taboola|outbrain|"
    r"breadcrumbs?|nav(?:igation|bar)?|menus?|toolbar|pagination|pager|sidebar|aside|rail|(?:sidebar|footer)-?widgets?|widgets?-?area|"
    r"footer|masthead|cookies?|consent|gdpr|modal|popup|overlay|tooltip|"
    r"tags?(?:list|s|box|cloud)?|taglist|topics|categor(?:y|ies)|keywords|post-?meta|entry-?meta|meta(?:data|info)?|"
    r"byline|author(?:s|box|bio|info|card|name)?|bio|contributors?|dateline|timestamp|datetime|publish(?:ed|date)?|"
    r"credits?|caption|copyright|disclaimer|rating|votes?|login|search(?:form|box)?|print|teasers?|cards?|carousel|slider|"
    r"donat(?:e|ion)|feedback|survey|poll|quiz|player|video-?playlist|screen-?reader(?:-text)?|visually-?hidden|sr-only|offscreen|skip-?link"
    r")(?:$|[\W_])",
    re.I,
)
# Never overruled by how much text they hold.
_SURELY_AGAINST = re.compile(
    r"(?:^|[\W_])(?:comments?(?:-?(?:list|s?area|content|body))?|disqus|replies|cookies?|consent|gdpr|privacy|cli|related\w*|"
    r"recommend(?:ed|ations?)|sidebar|footer|nav|menu|modal|popup|paywall|newsletter)(?:$|[\W_])",
    re.I,
)
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_FOR = re.compile(
    r"(?:^|[\W_])(?:article-?(?:body|text|content|copy)?|story-?(?:body|text|content)?|post-?(?:body|text|content)|entry-?content|"
    r"body-?(?:copy|text|content)|main-?content|content-?body|rich-?text|prose|page-?content|td-post-content|hentry)(?:$|[\W_])",
    re.I,
)
_FURNITURE_TAGS = frozenset("nav footer aside form button dialog menu".split())
_CALLS = re.compile(
    r"^(?:share(?: this| on)?|follow (?:us|me|@|\w+ on)|subscribe|sign up|advertisement|loading|read (?:more|next|also)|"
    r"related|recommended|see also|also read|more:|more from|click here|tags?\b|filed under|posted in|comments?\b|leave a|"
    r"like this|print|email|tweet|facebook|twitter|whatsapp|pinterest|linkedin|copyright|©|all rights reserved|"
    r"get (?:the|our|breaking)|join (?:us|our)|download|watch:|photo|image:|image credit|source:|via:|previous|next|"
    r"story continues|continue reading|this (?:article|story|post) (?:was |has been )?(?:originally |first )?(?:published|appeared))",
    re.I,
)
_CREDIT = re.compile(
    r"[(\[](?:image|photo|picture|pic|foto|credit|source|via|getty|reuters|ap|afp)s?\b[^)\]]{0,60}[)\]]\.?$"
    r"|(?:photo(?:graph)?s?|image|picture|foto)s?\s*(?:credit|by|courtesy|:|©)[^.]{0,80}$|\bphotos? ©|getty images\)?$",
    re.I,
)
_TYPES = frozenset(
    "article newsarticle blogposting reportagenewsarticle opinionnewsarticle analysisnewsarticle report "
    "scholarlyarticle techarticle advertisercontentarticle liveblogposting socialmediaposting review recipe".split()
)
_LEAST_BODY = 250
"""Characters of prose; a page with less has no article to cut out."""


@dataclass(slots=True)
class Described:
    """What a page says of itself in its head and linked data."""

    fields: dict[str, str] = field(default_factory=dict)
    is_article: bool = False
    body: str = ""


def describe(page: Page) -> Described:
    """Read title, author, date, site and language; later sources only fill gaps."""
    found = Described()
    for value in _objects(page.linked_data):
        kinds = value.get("@type")
        names = {str(k).lower() for k in (kinds if isinstance(kinds, list) else [kinds])}
        if not names & _TYPES:
            continue
        found.is_article = True
        body = value.get("articleBody")
        if isinstance(body, str) and len(body) > len(found.body):
            found.body = body
        for name, key in (
            ("title", "headline"), ("created", "datePublished"), ("modified", "dateModified"),
            ("description", "description"), ("author", "author"), ("site", "publisher"),
        ):  # fmt: skip
            text = _name(value.get(key))
            if text:
                found.fields.setdefault(name, text)
    for name, content in page.meta:
        field_name = _META.get(name)
        if field_name and content.strip():
            found.fields.setdefault(field_name, " ".join(content.split())[:2000])
        if name == "og:type" and "article" in content.lower():
            found.is_article = True
        if name in ("article:published_time", "article:author"):
            found.is_article = True
    if page.title:
        found.fields.setdefault("title", page.title)
    if page.language:
        found.fields.setdefault("language", page.language)
    return found


_META = {
    "og:title": "title", "twitter:title": "title", "dc.title": "title", "headline": "title",
    "author": "author", "article:author": "author", "dc.creator": "author", "byl": "author", "parsely-author": "author",
    "article:published_time": "created", "date": "created", "dc.date": "created", "datepublished": "created",
    "pubdate": "created", "parsely-pub-date": "created", "dc.date.issued": "created", "publish-date": "created",
    "article:modified_time": "modified", "og:updated_time": "modified", "datemodified": "modified",
    "og:site_name": "site", "application-name": "site", "description": "description", "og:description": "description",
    "keywords": "keywords", "news_keywords": "keywords", "og:url": "url",
}  # fmt: skip


def _objects(sources: list[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for source in sources:
        if len(source) > 2_000_000:
            continue
        try:
            todo: list[Any] = [json.loads(source.strip().rstrip(";"), strict=False)]
        except (ValueError, RecursionError):
            continue  # pages are full of broken linked data; it is only a hint
        while todo and len(found) < 1000:
            value = todo.pop()
            if isinstance(value, list):
                todo += value
            elif isinstance(value, dict):
                found.append(value)
                todo += [
                    v for k, v in value.items() if k in ("@graph", "mainEntity", "mainEntityOfPage")
                ]
    return found


def _name(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(n for v in value[:20] if (n := _name(v)))
    if isinstance(value, dict):
        value = value.get("name")
    return " ".join(value.split())[:500] if isinstance(value, str) else ""


@dataclass(slots=True)
class Choice:
    """What `choose` decided.

    Args:
        kept: a flag a segment.
        title: index of the segment that is the page's title; None when no block shows it.
        is_article: False when the page is no article and everything was kept.
    """

    kept: list[bool]
    title: int | None
    is_article: bool


def choose(page: Page, segments: list[Segment], described: Described) -> Choice:
    """Decide which blocks are the article.

    A page without enough running text of its own, or whose text is mostly lists, tables and forms
    is no article: all of it is kept.

    Cost: linear in segments times their depth.
    """
    n = len(segments)
    marks = _Marks(segments)
    title = _title(segments, described)
    worth = [_worth(s, marks) for s in segments]
    for i in range(title or 0):
        # What stands before the headline is the site's: menus, and teasers that read like text.
        worth[i] = min(worth[i], 0.3 * worth[i])
    if len(described.body) >= _LEAST_BODY:
        grams = _grams(described.body)
        for i, segment in enumerate(segments):
            own = _grams(segment.block.text)
            if own and len(segment.block.text) > 30 and len(own & grams) >= 0.6 * len(own):
                worth[i] = 3.0 * min(len(segment.block.text), 1500) / 100
    best, score = _best_element(segments, worth, marks)
    if best is None or score <= 0:
        return Choice([True] * n, title, is_article=False)
    inside = [_within(s.node, best) for s in segments]
    kept = [
        i and _stays(s, w, best, marks) for s, w, i in zip(segments, worth, inside, strict=True)
    ]
    if title is not None:
        kept[title] = False
    _drop_empty_headings(segments, kept)
    if not _is_article(segments, kept, described, marks):
        return Choice([True] * n, title, is_article=False)
    return Choice(kept, title, is_article=True)


class _Marks:
    """What class names say of elements, each looked at once."""

    def __init__(self, segments: list[Segment]) -> None:
        self._known: dict[int, int] = {}
        # Names mislead: what holds a good part of the page's running text is not furniture.
        prose: dict[int, int] = {}
        total = 0
        for segment in segments:
            text = segment.block.text
            if len(text) < 80 or segment.n_linked > 0.3 * len(text):
                continue
            total += len(text)
            for node in segment.node.above():
                prose[id(node)] = prose.get(id(node), 0) + len(text)
        self._heavy = {key for key, n in prose.items() if n > 0.4 * total}

    def of(self, node: Node) -> int:
        """-1 against, 1 for, 0 neither."""
        key = id(node)
        if key not in self._known:
            found = self._look(node)
            if found < 0 and key in self._heavy and not self._surely(node):
                found = 0
            self._known[key] = found
        return self._known[key]

    def heavy(self, node: Node) -> bool:
        """Whether an element holds a good part of the page's running text."""
        return id(node) in self._heavy

    @staticmethod
    def _surely(node: Node) -> bool:
        names = _CAMEL.sub("-", f"{node.get('class')} {node.get('id')}"[:400])
        return node.tag == "nav" or bool(_SURELY_AGAINST.search(names))

    @staticmethod
    def _look(node: Node) -> int:
        if node.tag in _FURNITURE_TAGS or node.get("role") in (
            "navigation",
            "complementary",
            "contentinfo",
            "search",
            "menu",
            "banner",
        ):
            return -1
        if node.get("itemprop") in ("articleBody", "text"):
            return 1
        names = f"{node.get('class')} {node.get('id')}"
        if len(names) < 3:
            return 0
        names = _CAMEL.sub("-", names[:400])
        if _FOR.search(names):
            return 1
        return -1 if _AGAINST.search(names) else 0


def _worth(segment: Segment, marks: _Marks) -> float:
    block = segment.block
    text = block.text
    n = len(text)
    linked = segment.n_linked / max(n, 1)
    if block.kind == Kind.TABLE:
        return -1.0 if linked > 0.4 else min(n, 400) / 400
    if block.kind == Kind.HEADING:
        return -0.3
    against = False
    for depth, node in enumerate(segment.node.above()):
        if node.tag in ("body", "html") or depth > 12:
            break
        mark = marks.of(node)
        if mark < 0 and node.tag not in ("article", "main"):
            against = True
            break
        if mark > 0:
            break
    sentences = len(_SENTENCE_END.findall(text))
    if block.kind == Kind.CAPTION:
        return -0.2
    if linked > 0.5 or _CALLS.match(text):
        return -0.6
    if n < 25 and not sentences:
        return -0.4
    value = min(n, 1500) / 100 * (1 - 1.5 * linked)
    if not sentences:
        value = min(value, 0.5) if n < 120 else value * 0.6
    if block.kind == Kind.LIST_ITEM:
        value *= 0.6
    if against:
        value = -abs(value) * 0.5 - 0.3
    return value


def _best_element(
    segments: list[Segment], worth: list[float], marks: _Marks
) -> tuple[Node | None, float]:
    """The element of greatest worth; of equals, the innermost."""
    sums: dict[int, float] = {}
    nodes: dict[int, Node] = {}
    depths: dict[int, int] = {}
    for segment, value in zip(segments, worth, strict=True):
        for node in segment.node.above():
            key = id(node)
            sums[key] = sums.get(key, 0.0) + value
            nodes.setdefault(key, node)
    for key, node in nodes.items():
        depths[key] = sum(1 for _ in node.above())
    best: Node | None = None
    best_rank = (0.0, 0)
    for key, node in nodes.items():
        value = sums[key]
        if marks.of(node) > 0 or node.tag == "article":
            value *= 1.1
        rank = (round(value, 6), depths[key])
        if best is None or rank > best_rank:
            best, best_rank = node, rank
    return best, best_rank[0]


def _within(node: Node, root: Node) -> bool:
    return any(above is root for above in node.above())


def _in_article(node: Node) -> bool:
    return node.parent is not None and any(above.tag == "article" for above in node.parent.above())


def _stays(segment: Segment, worth: float, root: Node, marks: _Marks) -> bool:
    """Whether a block inside the article's element belongs to the article."""
    block = segment.block
    text = block.text
    quoted = any(n.tag == "blockquote" for n in segment.node.above())
    for node in segment.node.above():
        if node is root:
            break
        if marks.of(node) < 0 and not quoted:
            return False
        if node.tag == "article" and not marks.heavy(node) and _in_article(node):
            return False  # an article within an article is another one, or a comment
    linked = segment.n_linked / max(len(text), 1)
    if quoted:
        return True
    if block.kind == Kind.CAPTION:
        return False
    if block.kind == Kind.TABLE:
        return linked < 0.6
    if block.kind == Kind.HEADING:
        return linked < 0.5 and not _CALLS.match(text)
    if linked > 0.8 or (linked > 0.5 and len(text) < 150 and not _SENTENCE_END.search(text)):
        return False
    if len(text) < 300 and _CREDIT.search(text):
        return False
    return not (len(text) < 200 and _CALLS.match(text))


def _drop_empty_headings(segments: list[Segment], kept: list[bool]) -> None:
    """Take out headings at the end with nothing kept beneath them: they headed what was taken out."""
    for i in range(len(segments) - 1, -1, -1):
        if not kept[i]:
            continue
        if segments[i].block.kind != Kind.HEADING:
            return
        kept[i] = False


def _title(segments: list[Segment], described: Described) -> int | None:
    """The heading that is the page's title: the first <h1> that the head's title contains."""
    wanted = " ".join(_WORD.findall(described.fields.get("title", "").lower()))
    first: int | None = None
    for i, segment in enumerate(segments):
        if segment.block.kind != Kind.HEADING:
            continue
        words = " ".join(_WORD.findall(segment.block.text.lower()))
        if len(words) >= 3 and wanted and (words in wanted or wanted in words):
            if segment.block.level == 1:
                return i
            if first is None and len(words) >= 0.5 * len(wanted):
                first = i
    if first is not None:
        return first
    ones = [
        i for i, s in enumerate(segments) if s.block.kind == Kind.HEADING and s.block.level == 1
    ]
    return ones[0] if len(ones) == 1 else None


def _grams(text: str) -> set[tuple[str, ...]]:
    words = _WORD.findall(text.lower())
    return {tuple(words[i : i + 3]) for i in range(max(1, len(words) - 2))} if words else set()


def _is_article(
    segments: list[Segment], kept: list[bool], described: Described, marks: _Marks
) -> bool:
    prose = sum(
        len(s.block.text)
        for s, k in zip(segments, kept, strict=True)
        if k and s.block.kind in (Kind.PARAGRAPH, Kind.QUOTE, Kind.LIST_ITEM)
    )
    if prose < (_LEAST_BODY // 2 if described.is_article else _LEAST_BODY):
        return False
    left = [s for s, k in zip(segments, kept, strict=True) if not k]
    # What is left out must look like a site: links, or elements that say so.
    n_left = sum(len(s.block.text) for s in left)
    if described.is_article or not n_left:
        return True
    site = sum(
        len(s.block.text)
        for s in left
        if s.n_linked > 0.5 * len(s.block.text)
        or any(marks.of(node) < 0 for node in s.node.above())
        or s.block.kind == Kind.HEADING
    )
    tables = sum(len(s.block.text) for s in left if s.block.kind == Kind.TABLE)
    if tables > 0.3 * (prose + tables):
        return False
    return site >= 0.6 * n_left or prose >= 3 * (n_left - site)
