// Vocabulary from the publications of both algorithms.
import { assertEquals } from "@std/assert";
import { porter, porter2 } from "../../src/analysis/mod.ts";

const PORTER2 = `consign consign; consigned consign; consigning consign; consignment consign; consist consist;
consisted consist; consistency consist; consistent consist; consistently consist; consisting consist; consists consist;
consolation consol; consolations consol; consolatory consolatori; console consol; consoled consol; consoles consol;
consolidate consolid; consolidated consolid; consolidating consolid; consoling consol; consolingly consol;
consols consol; consonant conson; consort consort; consorted consort; consorting consort; conspicuous conspicu;
conspicuously conspicu; conspiracy conspiraci; conspirator conspir; conspire conspir; conspired conspir;
constable constabl; constance constanc; constancy constanc; constant constant; knack knack; knackeries knackeri;
knacks knack; knag knag; knave knave; knaves knave; knavish knavish; kneaded knead; kneading knead; knee knee;
kneel kneel; kneeled kneel; kneeling kneel; kneels kneel; knees knee; knell knell; knelt knelt; knew knew;
knightly knight; knights knight; knitted knit; knitting knit; knives knive; knobs knob; knocked knock; knocker knocker;
knockers knocker; knocking knock; knopp knopp; knots knot; skis ski; skies sky; dying die; lying lie; tying tie;
idly idl; gently gentl; ugly ugli; early earli; only onli; singly singl; sky sky; news news; atlas atlas; bias bias;
andes andes; inning inning; outing outing; herring herring; proceed proceed; succeed succeed; generously generous;
generate generat; communism communism; hopping hop; hoping hope; falling fall; ties tie; cries cri; cry cri; by by;
say say; gas gas; this this; kiwis kiwi; bed bed; shed shed; feed feed; agreed agre; luxuriated luxuri; happily happili;
dog's dog; 'tis tis; yes yes; at at`;

const PORTER =
  `caresses caress; ponies poni; ties ti; caress caress; cats cat; feed feed; agreed agre; plastered plaster;
bled bled; motoring motor; sing sing; conflated conflat; troubled troubl; sized size; hopping hop; tanned tan;
falling fall; hissing hiss; fizzed fizz; failing fail; filing file; happy happi; sky sky; relational relat;
conditional condit; rational ration; valenci valenc; hesitanci hesit; digitizer digit; conformabli conform;
radicalli radic; differentli differ; vileli vile; analogousli analog; vietnamization vietnam; predication predic;
operator oper; feudalism feudal; decisiveness decis; hopefulness hope; callousness callous; formaliti formal;
sensitiviti sensit; sensibiliti sensibl; triplicate triplic; formative form; formalize formal; electriciti electr;
electrical electr; hopeful hope; goodness good; revival reviv; allowance allow; inference infer; airliner airlin;
gyroscopic gyroscop; adjustable adjust; defensible defens; irritant irrit; replacement replac; adjustment adjust;
dependent depend; adoption adopt; homologou homolog; communism commun; activate activ; angulariti angular;
homologous homolog; effective effect; bowdlerize bowdler; probate probat; rate rate; cease ceas; controll control;
roll roll`;

function check(list: string, stem: (word: string) => string): void {
  for (const pair of list.split(";")) {
    const [word, expected] = pair.trim().split(" ");
    assertEquals(stem(word!), expected, word);
  }
}

Deno.test("porter2", () => check(PORTER2, porter2));
Deno.test("porter", () => check(PORTER, porter));
