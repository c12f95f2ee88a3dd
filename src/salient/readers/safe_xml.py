"""XML from strangers: no entities, no network, no external files, bounded depth."""

from __future__ import annotations

from lxml import etree

from salient.errors import InvalidInput

Element = etree._Element

_LONGEST_TEXT = 10_000_000
"""Of one node, unless the parser is told that the tree may be huge."""


def parse(content: bytes, what: str = "file", *, recover: bool = False) -> Element:
    """Parse a whole document.

    Text of any length is read where no entity could be what makes it long.

    Args:
        what: names the thing in the error's sentence.
        recover: keep what can be read of XML that is not well-formed.

    Raises:
        InvalidInput: `malformed`; entity bombs and nesting beyond 256 are malformed too.
    """
    try:
        root = _parsed(content, recover=recover)
    except (etree.XMLSyntaxError, ValueError) as exc:
        raise InvalidInput(
            f"the {what} is damaged: it is not well-formed XML", code="malformed", detail=str(exc)
        ) from exc
    if root is None:
        raise InvalidInput(f"the {what} is damaged: it has no XML in it", code="malformed")
    return root


def _parsed(content: bytes, *, recover: bool) -> Element | None:
    # The library's bounds against bombs also cut off long texts, and in `recover` without a word.
    huge = len(content) > _LONGEST_TEXT and b"<!ENTITY" not in content.replace(b"\0", b"")
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=huge,
        remove_comments=True,
        remove_pis=True,
        recover=recover,
    )
    root: Element | None = etree.fromstring(content, parser)
    return root


def local(element: Element) -> str:
    """Name without its namespace; empty for what is not an element."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""
