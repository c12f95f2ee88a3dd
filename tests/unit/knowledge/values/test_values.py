"""Surfaces read into standard forms: examples of the standards, and the ways of contracts and news."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salient.knowledge.values import LABELS, MAX_SURFACE, Conventions, conventions_of, read

ANCHOR = date(2021, 3, 3)  # a Wednesday


def normal(surface, label, **how):
    found = read(surface, label, **how)
    return found and found.normal


@pytest.mark.parametrize(
    ("surface", "expected"),
    [
        # ISO 8601 and EDTF
        ("2021-03-03", "2021-03-03"), ("2021-03", "2021-03"), ("1985-W15", "1985-W15"), ("2021", "2021"), ("the 1990s", "199X"),
        ("2004-06/2006-08", "2004-06/2006-08"), ("1964/2008", "1964/2008"), ("nineteenth century", "18XX"), ("mid-1990s", "199X"),
        # contracts
        ("3rd day of March, 2021", "2021-03-03"), ("this 1st day of June, 2020", "2020-06-01"), ("March 3rd, 2021", "2021-03-03"),
        ("on or about March 3, 2021", "2021-03-03"), ("the third day of March, 2021", "2021-03-03"), ("JUNE 30, 1999", "1999-06-30"),
        ("Friday, 3 March 2021", "2021-03-03"), ("3-Mar-2021", "2021-03-03"), ("Sept. 4, 2019", "2019-09-04"), ("the year 2000", "2000"),
        ("2nd century AD", "01XX"), ("the 19th and 20th centuries", "{18XX,19XX}"),
        ("three months ended March 31, 2021", "2021-01-01/2021-03-31"), ("the year ended December 31, 2020", "2020-01-01/2020-12-31"),
        ("December 31, 2019 and 2020", "{2019-12-31,2020-12-31}"),
        # other languages
        ("3. März 2021", "2021-03-03"), ("3 mars 2021", "2021-03-03"), ("1er août 2019", "2019-08-01"), ("3 de marzo de 2021", "2021-03-03"),
        ("3.4.2021", "2021-04-03"),
        # ranges
        ("March 3-5, 2021", "2021-03-03/2021-03-05"), ("3-5 March 2021", "2021-03-03/2021-03-05"), ("2019-2021", "2019/2021"), ("2019-20", "2019/2020"),
        ("from January 1, 2020 to December 31, 2020", "2020-01-01/2020-12-31"), ("January to March 2020", "2020-01/2020-03"),
        ("between 2010 and 2015", "2010/2015"), ("since 2015", "2015/.."), ("until 31 May 2015", "../2015-05-31"),
        # parts of years
        ("Q1 2021", "2021-Q1"), ("first quarter of 2021", "2021-Q1"), ("1Q21", "2021-Q1"), ("H1 2021", "2021-H1"), ("second half of 2021", "2021-H2"),
        ("FY21", "FY2021"), ("fiscal year 2021", "FY2021"), ("FY2020/21", "FY2020/2021"), ("first quarter of fiscal 2021", "FY2021-Q1"),
        ("summer 2020", "2020-SU"), ("the winter of 1998", "1998-WI"), ("early 2020", "2020"),
        # without a year
        ("March 4", "XXXX-03-04"), ("March", "XXXX-03"), ("Monday", "XXXX-WXX-1"), ("the second quarter", "XXXX-Q2"),
        # no dates
        ("31 February 2021", None), ("2021-13-01", None), ("13/13/2021", None), ("March 32, 2021", None), ("Halden", None), ("the date hereof", None),
    ],
)  # fmt: skip
def test_dates(surface, expected):
    assert normal(surface, "DATE") == expected


@pytest.mark.parametrize(
    ("surface", "alone", "anchored"),
    [
        ("today", "THIS P1D", "2021-03-03"), ("yesterday", "OFFSET P-1D", "2021-03-02"), ("tomorrow", "OFFSET P1D", "2021-03-04"),
        ("last week", "THIS P1W OFFSET P-1W", "2021-W08"), ("this year", "THIS P1Y", "2021"), ("next month", "THIS P1M OFFSET P1M", "2021-04"),
        ("last quarter", "THIS P3M OFFSET P-3M", "2020-Q4"), ("last March", "XXXX-03 OFFSET P-1Y", "2020-03"),
        ("three months ago", "OFFSET P-3M", "2020-12"), ("two weeks ago", "OFFSET P-2W", "2021-W07"), ("10 years ago", "OFFSET P-10Y", "2011"),
        ("two days from now", "OFFSET P2D", "2021-03-05"), ("the last three years", "P3Y", "2018-03-03/2021-03-03"),
        # What is told from another date than the document's stays as it is said.
        ("the following year", "THIS P1Y OFFSET P1Y", "THIS P1Y OFFSET P1Y"), ("a year earlier", "OFFSET P-1Y", "OFFSET P-1Y"),
        ("next fiscal year", "THIS FISCAL P1Y OFFSET P1Y", "THIS FISCAL P1Y OFFSET P1Y"),
    ],
)  # fmt: skip
def test_relative_dates_are_resolved_by_an_anchor_only(surface, alone, anchored):
    assert normal(surface, "DATE") == alone
    assert normal(surface, "DATE", anchor=ANCHOR) == anchored


def test_a_weekday_said_late_in_the_week_has_two_readings():
    found = read("last Monday", "DATE", anchor=ANCHOR)
    assert (found.normal, found.ambiguous) == ("2021-03-01", ("2021-02-22",))
    assert read("last Friday", "DATE", anchor=ANCHOR).ambiguous == ()


def test_the_order_of_day_and_month_is_flagged_until_the_document_settles_it():
    found = read("03/04/2021", "DATE")
    assert {found.normal, *found.ambiguous} == {"2021-03-04", "2021-04-03"}
    assert found.note
    european = conventions_of([("03/04/2021", "DATE"), ("25/12/2020", "DATE")])
    assert read("03/04/2021", "DATE", conventions=european).normal == "2021-04-03"
    american = conventions_of([("12/25/2020", "DATE")])
    assert read("03/04/2021", "DATE", conventions=american) == read("March 4, 2021", "DATE")
    both = conventions_of([("25/12/2020", "DATE"), ("12/25/2020", "DATE")])
    assert read("03/04/2021", "DATE", conventions=both).ambiguous
    assert read("03/03/2021", "DATE").ambiguous == ()
    assert normal("03/04/2021", "DATE", language="de") == "2021-04-03"


def test_two_years_may_look_like_a_month():
    assert read("2008-09", "DATE").ambiguous == ("2008/2009",)
    assert read("2019-06", "DATE").ambiguous == ()


def test_years_of_two_digits_lie_near_the_document():
    assert normal("3/4/99", "DATE", conventions=Conventions(day_first=False)) == "1999-03-04"
    assert normal("8/25/21", "DATE") == "2021-08-25"
    assert normal("8/25/45", "DATE", anchor=date(1950, 1, 1)) == "1945-08-25"


def test_dates_know_the_days_they_take_in():
    found = read("Q1 2020", "DATE")
    assert (found.first, found.last) == (date(2020, 1, 1), date(2020, 3, 31))
    assert read("FY2020", "DATE").first is None
    assert read("the 1990s", "DATE").last == date(1999, 12, 31)


@pytest.mark.parametrize(
    ("surface", "label", "expected", "kind"),
    [
        ("thirty (30) days", "DATE", "P30D", "duration"), ("18-month", "DATE", "P18M", "duration"), ("two and a half years", "DATE", "P2Y6M", "duration"),
        ("a fortnight", "DATE", "P2W", "duration"), ("two years and six months", "DATE", "P2Y6M", "duration"), ("30 to 60 days", "DATE", "P30D/P60D", "duration"),
        ("half a year", "DATE", "P6M", "duration"), ("several years", "DATE", "PXY", "duration"), ("one decade", "DATE", "P10Y", "duration"),
        ("a 35-year-old", "DATE", "P35Y", "duration"), ("thirty days'", "DATE", "P30D", "duration"), ("5 (five) years", "DATE", "P5Y", "duration"),
        ("two hours", "TIME", "PT2H", "duration"), ("1 hour 30 minutes", "TIME", "PT1H30M", "duration"), ("one and a half hours", "TIME", "PT1H30M", "duration"),
        ("quarterly", "DATE", "R/P3M", "set"), ("every two weeks", "DATE", "R/P2W", "set"), ("each calendar year", "DATE", "R/P1Y", "set"),
        ("every Monday", "DATE", "R/XXXX-WXX-1", "set"), ("semi-annually", "DATE", "R/P6M", "set"), ("twice a year", "DATE", "R/P1Y", "set"),
        ("3:30 p.m.", "TIME", "T15:30", "time"), ("12:00 a.m.", "TIME", "T00:00", "time"), ("14:30 UTC", "TIME", "T14:30Z", "time"), ("noon", "TIME", "T12:00", "time"),
        ("5:00 p.m., New York City time", "TIME", "T17:00", "time"), ("9 a.m. to 5 p.m.", "TIME", "T09:00/T17:00", "time"), ("9 to 11 a.m.", "TIME", "T09:00/T11:00", "time"),
        ("Monday morning", "TIME", "XXXX-WXX-1TMO", "time"), ("10:00 on 3 March 2021", "TIME", "2021-03-03T10:00", "time"),
    ],
)  # fmt: skip
def test_durations_recurrences_and_times(surface, label, expected, kind):
    found = read(surface, label)
    assert (found.normal, found.kind) == (expected, kind)


def test_business_days_and_hedges_are_modifiers():
    assert read("five (5) Business Days", "DATE").modifier == "business"
    assert read("not less than thirty (30) days", "DATE").modifier == "at_least"
    assert read("more than $3 billion", "MONEY").modifier == "more_than"
    assert read("early 2020", "DATE").modifier == "start"
    assert read("about 200 km", "QUANTITY").modifier == "approx"


def test_words_with_two_meanings_are_flagged():
    assert read("biweekly", "DATE").ambiguous == ("R/P3.5D",)
    assert read("5 o'clock", "TIME").ambiguous == ("T17:00",)
    assert read("midnight", "TIME").ambiguous == ("T24:00",)


@pytest.mark.parametrize(
    ("surface", "expected"),
    [
        ("US$1,234.50", "USD 1234.5"), ("EUR 5m", "EUR 5000000"), ("five million euros", "EUR 5000000"), ("€2.5 billion", "EUR 2500000000"),
        ("1.234,56 €", "EUR 1234.56"), ("1 234,50 EUR", "EUR 1234.5"), ("CHF 1'234.50", "CHF 1234.5"), ("5 Mrd. €", "EUR 5000000000"),
        ("₹5 crore", "INR 50000000"), ("INR 12,34,567", "INR 1234567"), ("three lakh Indian rupees", "INR 300000"), ("NOK 100 million", "NOK 100000000"),
        ("£5m", "GBP 5000000"), ("50p", "GBP 0.5"), ("C$5", "CAD 5"), ("USD $500", "USD 500"), ("U.S. $5.1 million", "USD 5100000"),
        ("US$5-6 million", "USD 5000000/6000000"), ("between EUR 5 million and EUR 10 million", "EUR 5000000/10000000"), ("US$500 to US$1 million", "USD 500/1000000"),
        ("Ten Thousand and 50/100 U.S. Dollars (US$10,000.50)", "USD 10000.5"), ("one million euros (€1,000,000)", "EUR 1000000"),
        ("half a million euros", "EUR 500000"), ("two and a half million euros", "EUR 2500000"), ("US$5 per share", "USD 5"), ("-€5", "EUR -5"),
        ("ten", None), ("dollars", None), ("$", None), ("$1.2.3", None), ("EUR", None),
    ],
)  # fmt: skip
def test_money(surface, expected):
    assert normal(surface, "MONEY") == expected


def test_shared_currency_signs_are_flagged_until_the_document_settles_them():
    found = read("$5", "MONEY")
    assert found.normal == "USD 5"
    assert "CAD 5" in found.ambiguous
    canadian = conventions_of([("C$7", "MONEY"), ("$5", "MONEY")])
    assert read("$5", "MONEY", conventions=canadian).normal == "CAD 5"
    assert read("$5", "MONEY", conventions=canadian).ambiguous == ()
    mixed = conventions_of([("C$7", "MONEY"), ("US$5", "MONEY")])
    assert read("$5", "MONEY", conventions=mixed).ambiguous
    assert {"NOK 5", "SEK 5", "DKK 5"} == {
        read("kr 5", "MONEY").normal,
        *read("kr 5", "MONEY").ambiguous,
    }
    assert read("5 kr", "MONEY", language="sv").normal == "SEK 5"


def test_words_win_over_digits_as_in_law_and_the_digits_are_flagged():
    found = read("ten US dollars (US$100)", "MONEY")
    assert (found.normal, found.ambiguous) == ("USD 10", ("USD 100",))
    assert read("thirty (30) days", "DATE").ambiguous == ()
    assert read("twenty (30) days", "DATE").ambiguous == ("P30D",)


def test_a_single_separator_before_three_digits_depends_on_language_and_document():
    assert normal("€1,234", "MONEY", language="en") == "EUR 1234"
    german = read("1,234 €", "MONEY", language="de")
    assert (german.normal, german.ambiguous) == ("EUR 1.234", ("EUR 1234",))
    assert read("1,234 €", "MONEY", language="und").ambiguous == ("EUR 1.234",)
    settled = conventions_of([("2,5 %", "PERCENT")])
    assert read("1.234 €", "MONEY", conventions=settled).normal == "EUR 1234"


@pytest.mark.parametrize(
    ("surface", "label", "expected"),
    [
        ("5%", "PERCENT", "5 %"), ("3.5 per cent", "PERCENT", "3.5 %"), ("five percent (5%)", "PERCENT", "5 %"), ("25 basis points", "PERCENT", "0.25 %"),
        ("two percentage points", "PERCENT", "2 pp"), ("5-10%", "PERCENT", "5/10 %"), ("between 5% and 10%", "PERCENT", "5/10 %"), ("0.5‰", "PERCENT", "0.05 %"),
        ("one-half percent", "PERCENT", "0.5 %"), ("3,5 %", "PERCENT", "3.5 %"), ("1/2 of 1%", "PERCENT", "0.5 %"),
        ("5 km", "QUANTITY", "5000 m"), ("50MW", "QUANTITY", "50000000 W"), ("10 mW", "QUANTITY", "0.01 W"), ("3.5 GWh", "QUANTITY", "12600000000000 J"),
        ("20°C", "QUANTITY", "293.15 K"), ("68 °F", "QUANTITY", "293.15 K"), ("1,000 sq ft", "QUANTITY", "92.90304 m2"), ("three miles", "QUANTITY", "4828.032 m"),
        ("5 million tonnes", "QUANTITY", "5000000000 kg"), ("6 feet 2 inches", "QUANTITY", "1.8796 m"), ("10 to 20 km", "QUANTITY", "10000/20000 m"),
        ("1 barrel", "QUANTITY", "0.158987294928 m3"), ("2 lb", "QUANTITY", "0.90718474 kg"), ("100 km/h", "QUANTITY", "27.7777777778 m/s"),
        ("one hundred and twenty-three thousand four hundred", "CARDINAL", "123400"), ("1,234", "CARDINAL", "1234"), ("two-thirds", "CARDINAL", "2/3"),
        ("five trillion", "CARDINAL", "5000000000000"), ("a dozen", "CARDINAL", "12"), ("two three", "CARDINAL", None), ("million thousand", "CARDINAL", None),
        ("twenty-first", "ORDINAL", "21"), ("1,000th", "ORDINAL", "1000"), ("one hundred and first", "ORDINAL", "101"), ("the third", "ORDINAL", "3"),
        ("5 parsnips", "QUANTITY", None),
    ],
)  # fmt: skip
def test_shares_measures_and_counts(surface, label, expected):
    assert normal(surface, label) == expected


def test_tons_and_gallons_have_several_sizes():
    assert read("5 tons", "QUANTITY").ambiguous == ("5000 kg", "5080.234544 kg")
    assert read("5 metric tons", "QUANTITY").ambiguous == ()


@pytest.mark.parametrize(
    ("surface", "label", "expected"),
    [
        ("+47 22 33 44 55", "PHONE", "+4722334455"), ("+44 (0)20 7946 0958", "PHONE", "+442079460958"), ("(212) 555-0199", "PHONE", "2125550199"),
        ("0047 22334455", "PHONE", "+4722334455"), ("+999999999999999999", "PHONE", None), ("A.b+c@EXAMPLE.Com", "EMAIL", "A.b+c@example.com"),
        # RFC 3986, 6.2.2 and 5.2.4
        ("HTTP://www.EXAMPLE.com/", "URL", "http://www.example.com/"), ("http://a/b/c/./../../g", "URL", "http://a/g"),
        ("http://example.com:80/%7esmith/home.html", "URL", "http://example.com/~smith/home.html"), ("http://example.com/a%c2%b1b", "URL", "http://example.com/a%C2%B1b"),
        ("https://example.com", "URL", "https://example.com/"), ("https://example.com:8443?q=1#f", "URL", "https://example.com:8443/?q=1#f"),
        ("www.example.com", "URL", "http://www.example.com/"), ("http://[::1", "URL", None), ("http://x:99999999/", "URL", None),
    ],
)  # fmt: skip
def test_addresses(surface, label, expected):
    assert normal(surface, label) == expected


def test_a_number_without_its_country_says_so():
    assert "country" in read("(212) 555-0199", "PHONE").note
    assert read("+1 212 555 0199", "PHONE").note == ""


@pytest.mark.parametrize(
    ("surface", "scheme", "expected"),
    [
        # The examples of the standards themselves.
        ("GB82 WEST 1234 5698 7654 32", "iban", "GB82WEST12345698765432"), ("IBAN: NO93 8601 1117 947", "iban", "NO9386011117947"),
        ("US0378331005", "isin", "US0378331005"), ("ISIN GB0002634946", "isin", "GB0002634946"), ("HWUPKR0MPOU8FGXBT394", "lei", "HWUPKR0MPOU8FGXBT394"),
        ("ISBN 0-306-40615-2", "isbn", "9780306406157"), ("978-0-306-40615-7", "isbn", "9780306406157"), ("ISSN 0378-5955", "issn", "0378-5955"),
        ("CUSIP No. 037833100", "cusip", "037833100"), ("doi:10.1000/182", "doi", "10.1000/182"), ("https://doi.org/10.1000/XYZ", "doi", "10.1000/xyz"),
        ("BIC: DEUTDEFF500", "bic", "DEUTDEFF500"), ("VAT No. DE 123456789", "vat", "DE123456789"), ("EIN 12-3456789", "ein", "12-3456789"),
        ("US 9,876,543 B2", "patent", "US9876543B2"), ("U.S. Patent No. 9,876,543", "patent", "US9876543"), ("EP 1 234 567 A1", "patent", "EP1234567A1"),
        ("WO 2019/123456", "patent", "WO2019/123456"), ("PCT/US2019/123456", "patent_application", "PCT/US2019/123456"),
        ("No. 1:19-cv-01234", "case", "1:19-cv-01234"), ("Case C-131/12", "case", "C-131/12"), ("ECLI:EU:C:2014:317", "ecli", "ECLI:EU:C:2014:317"),
        ("CELEX 32016R0679", "celex", "32016R0679"), ("Section 4.2(b)", "section", "section 4.2(b)"), ("§ 12", "section", "section 12"),
        ("Articles 5", "section", "article 5"),
    ],
)  # fmt: skip
def test_identifiers(surface, scheme, expected):
    found = read(surface, "IDENTIFIER")
    assert (found.unit, found.normal) == (scheme, expected)


@pytest.mark.parametrize(
    "surface",
    ["GB82 WEST 1234 5698 7654 33", "US0378331006", "HWUPKR0MPOU8FGXBT395", "ISBN 0-306-40615-3", "978-0-306-40615-8", "ISSN 0378-5956",
     "CUSIP 037833101", "0306406152", "123456789", "GB82"],
)  # fmt: skip
def test_a_wrong_check_digit_is_no_identifier(surface):
    assert read(surface, "IDENTIFIER") is None


STYLES = (
    "{d.day} {month} {d.year}", "{month} {d.day}, {d.year}", "{month} {d.day:02}, {d.year:04}", "{d.day}th day of {month}, {d.year}", "{d.year:04}-{d.month:02}-{d.day:02}",
    "{d.day:02}.{d.month:02}.{d.year:04}", "{d.day}-{short}-{d.year}", "{d.year:04}/{d.month:02}/{d.day:02}", "{short}. {d.day}, {d.year}", "{upper} {d.day}, {d.year}",
)  # fmt: skip
_MONTHS = "January February March April May June July August September October November December".split()  # fmt: skip


@given(st.dates(date(1500, 1, 1), date(2099, 12, 31)), st.sampled_from(STYLES))
def test_a_day_reads_back_from_every_style(when, style):
    month = _MONTHS[when.month - 1]
    written = style.format(d=when, month=month, short=month[:3], upper=month.upper())
    found = read(written, "DATE")
    assert (found.normal, found.first, found.last) == (when.isoformat(), when, when)


@given(st.dates(date(1970, 1, 1), date(2068, 12, 31)))
def test_one_of_the_readings_of_a_numeric_date_is_the_one_meant(when):
    found = read(f"{when.month}/{when.day}/{when.year}", "DATE")
    assert when.isoformat() in (found.normal, *found.ambiguous)


@given(st.integers(0, 10**15), st.integers(0, 99), st.sampled_from(["{:,}.{:02}", "{:,}.{:02}"]))
def test_an_amount_keeps_every_digit(whole, cents, style):
    found = read("US$" + style.format(whole, cents), "MONEY")
    assert found.amount == f"{whole}.{cents:02}".rstrip("0").rstrip(".")


_ONES = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()  # fmt: skip
_TENS = "_ _ twenty thirty forty fifty sixty seventy eighty ninety".split()


def spelt(n):
    for size, word in ((10**12, "trillion"), (10**9, "billion"), (10**6, "million"), (1000, "thousand"), (100, "hundred")):  # fmt: skip
        if n >= size:
            rest = n % size
            joint = " and " if rest and rest < 100 else " "
            return f"{spelt(n // size)} {word}" + (f"{joint}{spelt(rest)}" if rest else "")
    return _ONES[n] if n < 20 else _TENS[n // 10] + (f"-{_ONES[n % 10]}" if n % 10 else "")


@given(st.integers(0, 10**12 - 1))
def test_a_number_in_words_reads_back(n):
    assert normal(spelt(n), "CARDINAL") == str(n)


@given(
    st.text(max_size=60) | st.text(st.sampled_from("0123456789.,/-$€%() toand½°:TP'Mayjthms"), max_size=40),
    st.sampled_from(sorted(LABELS)),
    st.none() | st.dates(),
    st.sampled_from(["en", "de", "und"]),
)  # fmt: skip
def test_reading_never_raises(surface, label, anchor, language):
    found = read(surface, label, anchor=anchor, language=language)
    assert found is None or found.normal


@pytest.mark.timeout(20)
@pytest.mark.parametrize("label", sorted(LABELS))
@pytest.mark.parametrize("piece", ["1 ", "1,", "a ", "and ", "one ", "(", "5-", "March ", "one and ", "$", "1:", "A1", "day ", "/.."])  # fmt: skip
def test_no_surface_takes_long(piece, label):
    for _ in range(5):
        read((piece * MAX_SURFACE)[:MAX_SURFACE], label)
    assert read(piece * 10_000, label) is None


def test_conventions_read_a_bounded_number_of_values():
    many = (("1/1/2020", "DATE") for _ in range(10**9))
    assert conventions_of(many).day_first is None


@given(st.lists(st.tuples(st.text(max_size=20), st.sampled_from(sorted(LABELS))), max_size=8))
def test_conventions_take_any_surfaces(values):
    assert conventions_of(values).day_first in {None, True, False}
