"""XML from strangers: no entities, no network, no external files, bounded depth."""

from __future__ import annotations

from lxml import etree

from salient.errors import InvalidInput

Element = etree._Element


def parse(content: bytes, what: str = "file", *, recover: bool = False) -> Element:
    """Parse a whole document.

    Args:
        what: names the thing in the error's sentence.
        recover: keep what can be read of XML that is not well-formed.

    Raises:
        InvalidInput: `malformed`; entity bombs and nesting beyond 256 are malformed too.
    """
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
        recover=recover,
    )
    try:
        root = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError) as exc:
        raise InvalidInput(
            f"the {what} is damaged: it is not well-formed XML", code="malformed", detail=str(exc)
        ) from exc
    if root is None:
        raise InvalidInput(f"the {what} is damaged: it has no XML in it", code="malformed")
    return root


def local(element: Element) -> str:
    """Name without its namespace; empty for what is not an element."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""
