"""What documents say, as a graph: names, entities, facts with evidence, and people's decisions.

Work is split so that results depend on neither order nor place: `reading` looks at one document and
touches no store; `resolve` is a function of the set of names, the knowledge base and the decisions.
"""
