def without_syntax(text, tokens, units):
    return []


def extract(text, tokens, strings, units):
    return []
