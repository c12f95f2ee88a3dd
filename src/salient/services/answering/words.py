"""Closed word lists of English that question answering reads with: all of it general language."""

from __future__ import annotations

STOPWORDS = frozenset(
    """a about above after again all also although am an and any are aren as at be became because
    been before being below between both but by can cannot could couldn d did didn do does doesn
    doing don done down during each either else etc ever every few for from further get gets got
    had hadn has hasn have haven having he her here hers herself him himself his how i if in into
    is isn it its itself just ll let may me might mine more most much must mustn my myself neither
    no nor not now of off on once one only onto or other others our ours ourselves out over own per
    rather re s same shall shan she should shouldn since so some such t than that the their theirs
    them themselves then there these they this those through thus to too under until unto up upon
    us ve very was wasn we were weren what when where whether which while who whom whose why will
    with within without won would wouldn yet you your yours yourself yourselves please tell give
    show list find know mention mentioned described according document documents text say says said
    name named called known""".split()
)

_ONES = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_ORDINALS = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth".split()
)
NUMBER_WORDS: dict[str, str] = (
    {word: str(n) for n, word in enumerate(_ONES) if n > 1}
    | {word: str(10 * n) for n, word in enumerate(_TENS, 2)}
    | {word: str(n) for n, word in enumerate(_ORDINALS, 1)}
)

# form -> one form that stands for all; both sides of an overlap go through it
IRREGULAR: dict[str, str] = {
    form: base
    for base, forms in (
        line.split(":")
        for line in """arise:arose arisen
bear:bore borne born birth
become:becoming
begin:began begun beginning
bite:bit bitten
bleed:bled
blow:blew blown
break:broke broken
breed:bred
bring:brought
build:built
buy:bought
catch:caught
child:children
choose:chose chosen choice
come:came
die:died dies dying death dead
deal:dealt
do:did done
draw:drew drawn
drink:drank drunk
drive:drove driven
eat:ate eaten
fall:fell fallen
feed:fed
feel:felt
fight:fought
flee:fled
fly:flew flown flight
forbid:forbade forbidden
forget:forgot forgotten
foot:feet
freeze:froze frozen
give:gave given
go:went gone
grow:grew grown growth
hear:heard
hide:hid hidden
high:height
hold:held
keep:kept
know:knew known knowledge
lead:led
leave:left
lend:lent
life:lives
live:lived living alive
long:length longer longest
lose:lost loss losses losing
make:made
man:men
mean:meant
meet:met
old:older oldest
pay:paid
person:people persons
prove:proven proof
receive:received receipt
ride:rode ridden
rise:rose risen
say:said
see:seen saw
seek:sought
sell:sold sale sales
send:sent
shake:shook shaken
shoot:shot
shrink:shrank shrunk
sing:sang sung song songs
sink:sank sunk
speak:spoke spoken speech
spend:spent
spring:sprang sprung
stand:stood
steal:stole stolen
strike:struck stricken
strong:strength stronger strongest
swear:swore sworn
take:took taken
teach:taught
tell:told
think:thought
throw:threw thrown
understand:understood
wear:wore worn
wide:width
win:won winner winners winning
woman:women
write:wrote written
big:bigger biggest
good:better best
bad:worse worst
large:larger largest
small:smaller smallest
deep:depth deeper deepest
agree:agreement
apply:application applications applicant applicants
comply:compliance
deny:denial
modify:modification
notify:notification notice notices
rely:reliance
vary:variation variance
weigh:weight
hot:heat hotter hottest
use:usage
advise:advice
believe:belief
defend:defence defense
destroy:destruction
expand:expansion
extend:extension extent
explain:explanation
pretend:pretence pretense
respond:response
succeed:success succession
suspend:suspension
try:trial tried tries
licence:license licensed
organisation:organization
programme:program
centre:center
colour:color
labour:labor
favour:favor
defence:defense""".splitlines()
    )
    for form in forms.split()
}

# Endings that one English root takes in its derivations, as they stand after the shared letters.
SUFFIXES = frozenset(
    """ e s es ed d ing er or ers ors ar ee ion ions ation ations ition tion sion ssion sition
    cation ication iction ction ption ution ment ments ature ure ures ture al ial ual ical ally ance ence
    ances ences ancy ency ive ative itive ate ates ated ant ent ants ents y ies ied ity ness ful less ly
    ist ists ism ian ians an ic ics able ible age ages ship th ize ise izes ises ized ised izing ising
    ization isation ify ified ous ary ory ery dom hood de des ding se ses sive t ts ted ting
    ve ves ving vers ver be bes bed bing ribe ript ce ces ced cing uce re res red ring
    it its mit mits miss ke yer yers ys ying eer eers ern en ened ening ened""".split()
) | {""}

# Families of near meaning among the words that questions use for what documents state.
GROUPS: tuple[str, ...] = (
    "buy purchase acquire takeover acquisition procure",
    "sell divest dispose vend",
    "found establish create start launch set form incorporate begin institute",
    "begin start commence open initiate effective",
    "end finish conclude terminate expire cease close stop expiry termination",
    "cancel terminate rescind revoke",
    "headquarters headquartered based located seat office",
    "located situated lie based stand site",
    "lead head chair direct manage run oversee",
    "leader head chief director president chairman chair",
    "ceo chief executive",
    "cfo finance financial chief",
    "boss chief head manager",
    "price cost worth value amount consideration fee charge",
    "pay fee payment remuneration salary compensation wage",
    "rent lease tenancy",
    "own owner possess hold belong property",
    "make produce manufacture build create construct",
    "invent develop design create devise",
    "write author compose pen",
    "show demonstrate display exhibit present",
    "say state declare announce claim report",
    "name call title term designate dub",
    "use employ utilise utilize apply",
    "hire employ recruit appoint",
    "employee staff worker personnel workforce employ",
    "worker labour labor labourer",
    "appoint name nominate elect choose select",
    "choose select pick elect",
    "resign quit leave depart",
    "die kill death decease perish",
    "kill murder slay assassinate",
    "born birth",
    "marry wife husband spouse wed marriage",
    "big large huge great major",
    "small little minor tiny",
    "fast quick rapid speed",
    "increase rise grow raise gain climb",
    "decrease decline fall drop reduce lower cut",
    "change alter modify amend amendment",
    "need require must necessary requirement oblige",
    "allow permit let authorise authorize enable",
    "forbid ban prohibit bar disallow",
    "stop prevent halt block prohibit",
    "help assist aid support",
    "give provide supply grant deliver donate",
    "get receive obtain gain acquire",
    "cause result lead reason due",
    "purpose aim goal objective intend",
    "happen occur take place",
    "win victory defeat beat champion",
    "defeat beat conquer overcome",
    "war battle conflict fight",
    "attack assault invade strike raid",
    "teach instruct educate train",
    "school college academy university",
    "film movie picture",
    "song single track",
    "record album release",
    "release publish issue launch",
    "live reside inhabit dwell",
    "inhabitant resident citizen population people",
    "country nation state",
    "city town municipality",
    "area region territory district",
    "law act statute legislation regulation",
    "govern law jurisdiction rule",
    "agreement contract deal treaty pact accord",
    "party signatory",
    "duty obligation responsibility liability",
    "responsible liable accountable charge",
    "join enter enrol enroll member",
    "part portion share component section",
    "share stake stock equity holding interest",
    "profit earning income net",
    "revenue turnover sales income",
    "loan credit debt borrow lend",
    "money fund capital finance",
    "invest fund finance back investment round raise",
    "customer client buyer consumer",
    "supplier vendor provider",
    "company firm corporation business enterprise",
    "subsidiary unit division affiliate",
    "parent owner holding",
    "partner collaborate cooperate team",
    "meet gather convene assemble",
    "send transmit deliver ship dispatch",
    "doctor physician",
    "illness disease sickness",
    "yearly annual year",
    "monthly month",
    "daily day",
    "weekly week",
    "deadline due date",
    "long duration term period last length",
    "old age aged",
    "many number total count",
    "percent percentage share proportion rate",
    "think believe consider regard view deem",
    "consider regard view see deem",
    "kind type sort form class category",
    "job position role post occupation profession",
    "confidential secret private",
    "notice notify inform",
    "mean refer define denote",
    "compose consist comprise include contain contents",
    "divide split separate part",
    "destroy ruin demolish damage",
    "finish complete end",
    "test trial exam assess evaluate",
    "rule reign govern control",
    "oppose against resist object",
    "approve accept ratify pass endorse",
    "reject refuse deny decline",
    "replace succeed substitute",
    "keep retain maintain store preserve",
    "mistake error fault wrong",
    "danger risk hazard threat",
    "origin originate come source derive",
    "device machine apparatus equipment",
    "car vehicle automobile",
    "ship boat vessel",
    "plane aircraft airplane",
)
