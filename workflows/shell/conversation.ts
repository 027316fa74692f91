import type { Said, Talk, TraceEntry } from '../contract/run.js';
import type { Json } from '../definition/values.js';

const MOST_SAID = 100;
const MOST_TRACE = 500;
const MOST_TURNS = 50;
/** All that is said in one turn goes into one answer. */
const MOST_CHARACTERS = 200_000;

/** What the user of a conversation said last, and what the run has said and done since. */
export class Conversation {
  private talk: Talk;

  constructor(talk: Talk) {
    this.talk = talk;
  }

  get message(): string | null {
    return this.talk.message;
  }

  /** A message nobody has listened to yet. */
  takeUnheard(): string | null {
    if (this.talk.isHeard) return null;
    const { message } = this.talk;
    if (message !== null) this.talk = { ...this.talk, isHeard: true };
    return message;
  }

  /** The user speaks: what was said before belongs to the turn before. */
  hear(message: string, turn?: string): void {
    this.talk = { ...this.talk, message, isHeard: true, ...this.begun(turn) };
  }

  /** The user spoke while nobody could listen: whoever listens next hears it. */
  leaveMessage(message: string, turn?: string): void {
    this.talk = { ...this.talk, message, isHeard: false, ...this.begun(turn) };
  }

  private begun(turn: string | undefined): Pick<Talk, 'said' | 'trace' | 'turns' | 'turn'> {
    const { turns = [] } = this.talk;
    const heard = turn === undefined ? turns : [...turns, turn].slice(-MOST_TURNS);
    return { said: [], trace: [], turns: heard, turn: turn ?? null };
  }

  /** Id of the turn under way; null where nobody gave it one. */
  get turn(): string | null {
    return this.talk.turn ?? null;
  }

  hasHeard(turn: string | undefined): boolean {
    return turn !== undefined && this.talk.turns?.includes(turn) === true;
  }

  /** Somebody answered: whoever listens next waits for the next message. */
  answer(): void {
    this.talk = { ...this.talk, isHeard: true };
  }

  say(words: Said): void {
    if (words.text === '' && words.value === undefined) return;
    const said = [...this.talk.said, words].slice(-MOST_SAID);
    let characters = said.reduce((sum, each) => sum + each.text.length, 0);
    while (characters > MOST_CHARACTERS && said.length > 1) characters -= said.shift()?.text.length ?? 0;
    this.talk = { ...this.talk, said };
  }

  trace(type: string, nodeId: string, details: Readonly<Record<string, Json>> = {}): void {
    const entry: TraceEntry = { type, node_id: nodeId, ...details };
    this.talk = { ...this.talk, trace: [...this.talk.trace, entry].slice(-MOST_TRACE) };
  }

  /** A turn was cut short; the run does not end before the rest of it is told. */
  get isOwed(): boolean {
    return this.talk.isOwed;
  }

  owe(isOwed: boolean): void {
    this.talk = { ...this.talk, isOwed };
  }

  get said(): readonly Said[] {
    return this.talk.said;
  }

  get entries(): readonly TraceEntry[] {
    return this.talk.trace;
  }

  carry(): Talk {
    return this.talk;
  }
}
