/**
 * Patterns of authors, matched in time that grows with the text alone: the built-in engine takes for ever on some, and
 * would take the process with it. The syntax is that of JavaScript without look-around, back references and flags.
 */
export interface LinearPattern {
  /** Whether the pattern fits anywhere in the text. */
  readonly test: (text: string) => boolean;
}

/** Why a pattern is none, as the end of a sentence. */
export class PatternProblem extends Error {
  override readonly name = 'PatternProblem';
}

type Assertion = 'start' | 'end' | 'edge' | 'inside';
type Takes = (character: string) => boolean;
type Node =
  | { readonly kind: 'one'; readonly takes: Takes }
  | { readonly kind: 'assert'; readonly what: Assertion }
  | { readonly kind: 'all'; readonly nodes: readonly Node[] }
  | { readonly kind: 'any'; readonly nodes: readonly Node[] }
  | { readonly kind: 'repeat'; readonly node: Node; readonly least: number; readonly most: number };

/** A step of the machine: take a character, look around, or go on at several places. */
type Step =
  | { readonly kind: 'one'; readonly takes: Takes }
  | { readonly kind: 'assert'; readonly what: Assertion }
  | { readonly kind: 'go'; readonly to: readonly number[] }
  | { readonly kind: 'done' };

const MOST_STEPS = 2_000;
const LONGEST_PATTERN = 1_000;
const DEEPEST = 50;
const LONGEST_TEXT = 1_000_000;
const REMEMBERED = 500;

const remembered = new Map<string, LinearPattern>();

/** Throws `PatternProblem`. */
export function linearPattern(source: string): LinearPattern {
  const known = remembered.get(source);
  if (known !== undefined) return known;
  if (source.length > LONGEST_PATTERN) throw new PatternProblem(`is longer than ${LONGEST_PATTERN} characters`);
  const steps: Step[] = [];
  emit(steps, parse(source));
  steps.push({ kind: 'done' });
  const made: LinearPattern = { test: (text) => run(steps, text) };
  if (remembered.size >= REMEMBERED) remembered.clear();
  remembered.set(source, made);
  return made;
}

interface Reader {
  readonly characters: readonly string[];
  at: number;
}

const peek = ({ characters, at }: Reader): string | undefined => characters[at];
const ahead = (reader: Reader, length: number): string =>
  reader.characters.slice(reader.at, reader.at + length).join('');

function accept(reader: Reader, text: string): boolean {
  if (ahead(reader, text.length) !== text) return false;
  reader.at += text.length;
  return true;
}

function parse(source: string): Node {
  const reader: Reader = { characters: Array.from(source), at: 0 };
  const node = alternatives(reader, 0);
  if (peek(reader) !== undefined) throw new PatternProblem('closes a group that was never opened');
  return node;
}

function alternatives(reader: Reader, depth: number): Node {
  if (depth > DEEPEST) throw new PatternProblem(`nests groups deeper than ${DEEPEST}`);
  const nodes = [sequence(reader, depth)];
  while (accept(reader, '|')) nodes.push(sequence(reader, depth));
  return { kind: 'any', nodes };
}

function sequence(reader: Reader, depth: number): Node {
  const nodes: Node[] = [];
  for (let next = peek(reader); next !== undefined && next !== '|' && next !== ')'; next = peek(reader)) {
    nodes.push(repeated(reader, atom(reader, depth)));
  }
  return { kind: 'all', nodes };
}

function repeated(reader: Reader, node: Node): Node {
  const range = quantifier(reader);
  if (range === undefined) return node;
  accept(reader, '?');
  if (quantifier(reader) !== undefined) throw new PatternProblem('repeats a repetition; put it into a group');
  return { kind: 'repeat', node, ...range };
}

interface Times {
  readonly least: number;
  readonly most: number;
}

function quantifier(reader: Reader): Times | undefined {
  if (accept(reader, '*')) return { least: 0, most: Infinity };
  if (accept(reader, '+')) return { least: 1, most: Infinity };
  if (accept(reader, '?')) return { least: 0, most: 1 };
  const [counted, from, comma, to] = /^\{(\d{1,4})(,(\d{0,4}))?\}/.exec(ahead(reader, 12)) ?? [];
  if (counted === undefined) return undefined;
  reader.at += counted.length;
  const least = Number(from);
  const open = to === '' ? Infinity : Number(to);
  const most = comma === undefined ? least : open;
  if (most < least) throw new PatternProblem(`counts backwards in ${counted}`);
  return { least, most };
}

const one = (takes: Takes): Node => ({ kind: 'one', takes });
const lineEnds = new Set(['\n', '\r', '\u2028', '\u2029']);

function atom(reader: Reader, depth: number): Node {
  const next = reader.characters[reader.at] ?? '';
  if (next === '(') return group(reader, depth);
  if (next === '[') return one(setOf(reader));
  if (next === '\\') return escape(reader);
  if ('*+?'.includes(next)) throw new PatternProblem(`has "${next}" with nothing before it to repeat`);
  reader.at += 1;
  if (next === '^') return { kind: 'assert', what: 'start' };
  if (next === '$') return { kind: 'assert', what: 'end' };
  if (next === '.') return one((character) => !lineEnds.has(character));
  return one((character) => character === next);
}

function group(reader: Reader, depth: number): Node {
  const opening = /^\((\?(:|<[A-Za-z_]\w*>|.))?/s.exec(ahead(reader, 80)) ?? ['('];
  const [opened, marked, kind = ''] = opening;
  if (marked !== undefined && kind !== ':' && !kind.endsWith('>'))
    throw new PatternProblem('looks ahead or behind, or sets flags in a group, which is not possible here');
  reader.at += opened.length;
  const node = alternatives(reader, depth + 1);
  if (!accept(reader, ')')) throw new PatternProblem('opens a group that is never closed');
  return node;
}

/** One character alone can be left to the built-in engine. */
function takesOf(source: string): Takes {
  try {
    const pattern = new RegExp(`^${source}$`, 'u');
    return (character) => pattern.test(character);
  } catch {
    throw new PatternProblem(`has ${source}, which is no set of characters`);
  }
}

function setOf(reader: Reader): Takes {
  let end = reader.at + 1;
  while (end < reader.characters.length && reader.characters[end] !== ']') {
    end += reader.characters[end] === '\\' ? 2 : 1;
  }
  if (end >= reader.characters.length) throw new PatternProblem('opens a set of characters that is never closed');
  const source = reader.characters.slice(reader.at, end + 1).join('');
  reader.at = end + 1;
  // without the `u` flag these need no backslash, and one does no harm
  return takesOf(source.replaceAll(/\\([^\w\s\\^$.*+?()[\]{}|/-])/g, '$1'));
}

function escape(reader: Reader): Node {
  const text = ahead(reader, 60);
  if (/^\\[bB]/.test(text)) {
    reader.at += 2;
    return { kind: 'assert', what: text[1] === 'b' ? 'edge' : 'inside' };
  }
  if (/^\\([1-9]|k)/.test(text)) throw new PatternProblem('refers back to a group, which is not possible here');
  const named = /^\\(?:[dDwWsSnrtfv0]|x[0-9a-f]{2}|u[0-9a-f]{4}|u\{[0-9a-f]{1,6}\}|c[a-z]|[pP]\{[\w=]{1,40}\})/i.exec(
    text,
  );
  if (named !== null) {
    reader.at += named[0].length;
    return one(takesOf(named[0]));
  }
  const literal = reader.characters[reader.at + 1];
  if (literal === undefined) throw new PatternProblem('ends in a backslash');
  if (/[A-Za-z0-9]/.test(literal)) throw new PatternProblem(`has \\${literal}, which means nothing`);
  reader.at += 2;
  return one((character) => character === literal);
}

function emit(steps: Step[], node: Node): void {
  if (steps.length > MOST_STEPS) throw new PatternProblem('is too large; count less in {...}');
  if (node.kind === 'one' || node.kind === 'assert') steps.push(node);
  else if (node.kind === 'all') emitAll(steps, node.nodes);
  else if (node.kind === 'any') emitAny(steps, node.nodes);
  else emitRepeat(steps, node);
}

/** An empty one is a step too, so that repeating nothing very often is too large as well. */
function emitAll(steps: Step[], nodes: readonly Node[]): void {
  for (const each of nodes) emit(steps, each);
  if (nodes.length === 0) reserve(steps)(steps.length);
}

/** A place in the machine that is written once it is known where it leads. */
function reserve(steps: Step[]): (...to: readonly number[]) => void {
  const at = steps.push({ kind: 'done' }) - 1;
  return (...to) => {
    steps[at] = { kind: 'go', to };
  };
}

function emitAny(steps: Step[], nodes: readonly Node[]): void {
  const [only] = nodes;
  if (nodes.length === 1 && only !== undefined) {
    emit(steps, only);
    return;
  }
  const branch = reserve(steps);
  const starts: number[] = [];
  const leave: ((to: number) => void)[] = [];
  for (const node of nodes) {
    starts.push(steps.length);
    emit(steps, node);
    leave.push(reserve(steps));
  }
  branch(...starts);
  for (const go of leave) go(steps.length);
}

function emitRepeat(steps: Step[], { node, least, most }: Extract<Node, { readonly kind: 'repeat' }>): void {
  for (let count = 0; count < least; count += 1) emit(steps, node);
  if (most === Infinity) {
    const start = steps.length;
    const enter = reserve(steps);
    emit(steps, node);
    reserve(steps)(start);
    enter(start + 1, steps.length);
    return;
  }
  const skips: ((to: number) => void)[] = [];
  for (let count = least; count < most; count += 1) {
    const enter = reserve(steps);
    const inside = steps.length;
    skips.push((to) => enter(inside, to));
    emit(steps, node);
  }
  for (const skip of skips) skip(steps.length);
}

const isWord = (character: string | undefined): boolean => character !== undefined && /^\w$/.test(character);

function holds(what: Assertion, characters: readonly string[], at: number): boolean {
  if (what === 'start') return at === 0;
  if (what === 'end') return at === characters.length;
  return (isWord(characters[at - 1]) !== isWord(characters[at])) === (what === 'edge');
}

/** All places the machine can be at move on together, each at most once a character. */
function run(steps: readonly Step[], text: string): boolean {
  if (text.length > LONGEST_TEXT) throw new PatternProblem(`is asked of a text longer than ${LONGEST_TEXT} characters`);
  const characters = Array.from(text);
  const seenAt = new Int32Array(steps.length).fill(-1);
  let places: number[] = [];
  for (let at = 0; at <= characters.length; at += 1) {
    const standing = settle(steps, [...places, 0], { characters, at, seenAt });
    if (standing === 'done') return true;
    places = advance(steps, standing, characters[at]);
  }
  return false;
}

function advance(steps: readonly Step[], places: readonly number[], character: string | undefined): number[] {
  if (character === undefined) return [];
  return places.flatMap((place) => {
    const step = steps[place];
    return step?.kind === 'one' && step.takes(character) ? [place + 1] : [];
  });
}

interface Standing {
  readonly characters: readonly string[];
  readonly at: number;
  /** By step: the position at which it was last reached. */
  readonly seenAt: Int32Array;
}

/** Follows everything that takes no character. */
function settle(steps: readonly Step[], places: number[], where: Standing): readonly number[] | 'done' {
  const { characters, at, seenAt } = where;
  const taking: number[] = [];
  for (let place = places.pop(); place !== undefined; place = places.pop()) {
    if (seenAt[place] === at) continue;
    seenAt[place] = at;
    const step = steps[place];
    if (step === undefined || step.kind === 'done') return 'done';
    if (step.kind === 'one') taking.push(place);
    else if (step.kind === 'go') places.push(...step.to);
    else if (holds(step.what, characters, at)) places.push(place + 1);
  }
  return taking;
}
