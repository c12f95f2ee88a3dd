"""Web pages: each site dresses its articles in its own way, with everything around them that sites have."""

from __future__ import annotations

import json
from collections.abc import Callable
from html import escape

from writers.source import Block, Source

_TAGS = {"heading": "h2", "quote": "blockquote"}


def html(source: Source) -> bytes:
    """The page as the source's site shows it."""
    return SITES[source.head["site"]](source).encode()


def body(blocks: list[Block], *, paragraph: str = "p") -> list[str]:
    """One string a block; items that follow each other are one list."""
    found: list[str] = []
    for block in blocks:
        if block.kind == "item":
            if not (found and found[-1].endswith("</ul>")):
                found.append("<ul></ul>")
            found[-1] = found[-1].removesuffix("</ul>") + f"<li>{escape(block.text)}</li></ul>"
        else:
            tag = _TAGS.get(block.kind, paragraph)
            found.append(f"<{tag}>{escape(block.text)}</{tag}>")
    return found


def _links(names: tuple[str, ...], prefix: str = "/") -> str:
    return "".join(
        f'<li><a href="{prefix}{n.lower().replace(" ", "-")}">{escape(n)}</a></li>' for n in names
    )


def _head(source: Source, extra: str = "") -> str:
    head = source.head
    return f"""<head><meta charset="utf-8"><title>{escape(source.title)} | {escape(head["site"])}</title>
<meta name="author" content="{escape(head["author"])}">
<meta property="og:title" content="{escape(source.title)}">
<meta property="og:site_name" content="{escape(head["site"])}">
<meta property="article:published_time" content="{head["date"]}T09:00:00Z">
{extra}</head>"""


def coastline(source: Source) -> str:
    """Articles marked as such, an advertisement in their middle, a sidebar of other stories."""
    parts = body(source.blocks)
    half = len(parts) // 2
    return f"""<!DOCTYPE html>
<html lang="en">{_head(source, "<style>body { font-family: Georgia, serif } .ad { border: 1px solid }</style><script>window.tracking = { page: 'article' };</script>")}
<body>
<div class="cookie-banner" role="dialog">We and our 214 partners use cookies to improve your visit and to show you advertisements that suit you. <button>Accept all</button> <button>Settings</button></div>
<header><a href="/">Coastline Business</a><nav><ul>{_links(("Shipping", "Ports", "Energy", "Fish", "Opinion", "Jobs"))}</ul></nav><form action="/search"><input name="q" placeholder="Search"></form></header>
<main><article><h1>{escape(source.title)}</h1>
<p class="byline">By <span class="author">{escape(source.head["author"])}</span>, <time datetime="{source.head["date"]}">{source.date:%d %B %Y}</time></p>
<figure><img src="/img/lead.jpg" alt=""><figcaption>Photo: Coastline Business archive</figcaption></figure>
{chr(10).join(parts[:half])}
<aside class="ad">Advertisement: winter tyres at half price, this week only</aside>
{chr(10).join(parts[half:])}
</article>
<aside class="sidebar"><h3>Most read</h3><ol><li><a href="/story/8812">Grain prices fall for a third week</a></li><li><a href="/story/8790">Harbour cranes get remote control</a></li><li><a href="/story/8771">Ten cafés to try by the quay</a></li></ol></aside></main>
<section class="newsletter"><h3>Get our newsletter</h3><p>The news of the week in your inbox every Friday. You can unsubscribe at any time.</p></section>
<footer><p>© {source.date:%Y} Coastline Business. All rights reserved. <a href="/privacy">Privacy</a> <a href="/imprint">Imprint</a> <a href="/contact">Contact the newsroom</a></p></footer>
</body></html>
"""


def courier(source: Source) -> str:
    """An older site: nothing but `div`, share links above, comments of readers below."""
    return f"""<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">
<html xmlns="http://www.w3.org/1999/xhtml" lang="en">{_head(source)}
<body><div id="wrap">
<div id="top"><div class="logo"><a href="/">North Sea Courier</a></div><div class="weather">Aberdeen 7°, rain later</div></div>
<div id="menu"><ul>{_links(("News", "Sport", "Weather", "Notices", "Motors", "Property"), "/sections/")}</ul></div>
<div id="crumbs">Home &raquo; News &raquo; Business</div>
<div id="content"><div class="headline"><h1>{escape(source.title)}</h1></div>
<div class="meta">{source.date:%d/%m/%Y} &middot; {escape(source.head["author"])}, business reporter</div>
<div class="share"><a href="#">Share</a> <a href="#">Print</a> <a href="#">Email</a></div>
<div class="story">
{chr(10).join(body(source.blocks))}
</div>
<div class="tags">Tags: <a href="/t/north-sea">North Sea</a> <a href="/t/law">Law</a> <a href="/t/energy">Energy</a></div></div>
<div id="comments"><h3>3 comments</h3>
<div class="comment"><b>quayrat</b> Saw this coming a mile off.</div>
<div class="comment"><b>DonsFan72</b> Never mind that, when do we get the bypass?</div>
<div class="comment"><b>M. Reid</b> Could the Courier please bring back the crossword?</div></div>
<div id="right"><h3>Also in the news</h3><ul><li><a href="/n/1">Bus lanes to open in spring</a></li><li><a href="/n/2">Otter found in supermarket</a></li><li><a href="/n/3">Council tax: what you will pay</a></li></ul>
<div class="ad">Advertisement<br />Carpets fitted free within twenty miles</div></div>
<div id="foot">North Sea Courier is printed in Aberdeen. Complaints about our reporting: see our code of practice.</div>
</div></body></html>
"""


def ledger(source: Source) -> str:
    """A site made by a script: sections, a bar that asks for a subscription, data for machines."""
    data = {
        "@context": "https://schema.org",
        "@type": "NewsArticle",
        "headline": source.title,
        "datePublished": f"{source.head['date']}T09:00:00Z",
        "author": {"@type": "Person", "name": source.head["author"]},
    }
    parts = body(source.blocks)
    return f"""<!doctype html>
<html lang="en-US">{_head(source, f'<script type="application/ld+json">{json.dumps(data)}</script>')}
<body class="layout-b"><div id="app">
<div class="promo-bar">Start your free month of Startup Ledger Pro <a href="/pro">Try it</a></div>
<header class="site"><a class="brand" href="/">Startup Ledger</a><nav aria-label="Main">{"".join(f'<a href="/{n}">{n.title()}</a>' for n in ("rounds", "exits", "people", "podcast"))}</nav></header>
<main id="main"><section class="hero"><span class="kicker">Rounds</span><h1>{escape(source.title)}</h1><div class="by"><span>{escape(source.head["author"])}</span> <span>{source.date:%B %d, %Y}</span> <span>4 min read</span></div></section>
<section class="prose">{"".join(parts[:3])}</section>
<section class="inline-signup"><strong>Never miss a round.</strong> Join 40,000 readers of our morning email. <button>Sign up</button></section>
<section class="prose">{"".join(parts[3:])}</section>
<section class="about-author"><p>The writer covers robots and logistics, and collects slide rules.</p></section>
<section class="more"><h2>Read next</h2><div class="card"><a href="/a/1">Five founders on their worst hire</a></div><div class="card"><a href="/a/2">Is the seed market thawing?</a></div></section></main>
<footer><nav>{"".join(f'<a href="/{n}">{n.title()}</a>' for n in ("about", "careers", "terms", "privacy"))}</nav><small>Startup Ledger is a trade name. Quotes delayed by fifteen minutes.</small></footer>
</div><script>document.body.dataset.ready = "yes";</script></body></html>
"""


def review(source: Source) -> str:
    """A blog's theme: post, categories, neighbours, and a calendar in the margin."""
    return f"""<!DOCTYPE html>
<html lang="en-US">{_head(source, '<link rel="stylesheet" href="/theme/style.css">')}
<body class="post-template single single-post"><a class="skip-link" href="#primary">Skip to content</a>
<div id="page"><header id="masthead"><p class="site-title"><a href="/">Chicago Technology Review</a></p><p class="site-description">Computers by the lake since 1994</p></header>
<div id="primary"><div class="post type-post hentry"><h1 class="entry-title">{escape(source.title)}</h1>
<div class="entry-meta">Posted on <time class="entry-date" datetime="{source.head["date"]}">{source.date:%B %d, %Y}</time> by <span class="vcard author">{escape(source.head["author"])}</span></div>
<div class="entry-content">
{chr(10).join(body(source.blocks))}
</div><div class="entry-footer">Posted in <a href="/category/people">People</a>, <a href="/category/software">Software</a></div></div>
<div class="nav-links"><a href="/previous">Previous: The last typewriter shop on State Street</a> <a href="/next">Next: What the new chip plant needs</a></div></div>
<div id="secondary" class="widget-area"><div class="widget"><h2>Archives</h2><ul><li>May 2021</li><li>April 2021</li><li>March 2021</li></ul></div><div class="widget"><h2>Meetings</h2><p>The users' group meets on the second Tuesday in the library.</p></div></div>
<div id="colophon">Proudly written by hand. Subscribe by mail or by feed.</div></div></body></html>
"""


def wire(source: Source) -> str:
    """A site that reprints: the story, and teasers of many others around it."""
    teasers = "".join(
        f'<div class="teaser"><a href="/w/{n}">{t}</a><p>{p}</p></div>'
        for n, (t, p) in enumerate(
            (
                (
                    "Gas storage at 71 percent",
                    "Mild weather keeps demand low, the network operators say.",
                ),
                (
                    "Solar roof for the cattle market",
                    "The town expects to earn back the cost in nine years.",
                ),
                (
                    "Heat pumps: the fitters are missing",
                    "One in four posts stays open for six months.",
                ),
            )
        )
    )
    return f"""<!DOCTYPE html>
<html lang="en">{_head(source)}
<body><div class="consent">This site keeps statistics. <a href="/consent">Change your choice</a></div>
<table class="page"><tr><td class="left"><ul>{_links(("Power", "Gas", "Heat", "Storage", "Prices"), "/topics/")}</ul></td>
<td class="centre"><article class="reprint"><h1>{escape(source.title)}</h1><p class="source">{escape(source.head["author"])} | {source.date:%d %b %Y}</p>
{chr(10).join(body(source.blocks))}
</article></td><td class="right">{teasers}</td></tr></table>
<footer>Energy Wire does not answer for the contents of other sites. Prices without warranty.</footer></body></html>
"""


def forum(source: Source) -> str:
    """A society's page: an article with subheads, a list of dates beside it."""
    return f"""<!DOCTYPE html>
<html lang="en-GB">{_head(source)}
<body><header role="banner"><h2>Marine Battery Forum</h2><nav role="navigation"><ul>{_links(("Members", "Events", "Papers", "Join us"))}</ul></nav></header>
<div role="main"><div class="article-wrap" itemscope itemtype="https://schema.org/Article"><h1 itemprop="headline">{escape(source.title)}</h1>
<p class="info">A summary for members, <time datetime="{source.head["date"]}">{source.date:%d %B %Y}</time></p>
<div itemprop="articleBody">
{chr(10).join(body(source.blocks))}
</div></div></div>
<aside role="complementary"><h3>Next events</h3><ul><li>Workshop on gas sensors, Kiel</li><li>Annual dinner, Southampton</li></ul></aside>
<footer role="contentinfo">The Forum is a registered society. Membership costs 60 euros a year. <a href="/statutes">Statutes</a></footer></body></html>
"""


SITES: dict[str, Callable[[Source], str]] = {
    "Coastline Business": coastline,
    "North Sea Courier": courier,
    "Startup Ledger": ledger,
    "Chicago Technology Review": review,
    "Energy Wire": wire,
    "Marine Battery Forum": forum,
}
