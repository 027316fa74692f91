import { Fault, invalid } from '../nodes/failure.js';

export interface KnowledgeQuery {
  readonly workspaceId: string;
  /** A workspace's only or default collection without it. */
  readonly collection: string | null;
  readonly query: string;
  readonly topK: number;
  readonly signal: AbortSignal;
}

export interface KnowledgeHit {
  readonly text: string;
  /** Higher is closer. */
  readonly score: number;
  /** Where the text is from, as people name it. */
  readonly source: string;
}

/** The one way to what a workspace knows. Throws `NodeFailure`. */
export interface KnowledgePort {
  /** Best first, at most `topK`. */
  readonly search: (query: KnowledgeQuery) => Promise<readonly KnowledgeHit[]>;
}

/** Stands in while no knowledge base is connected: an empty list would pass for "nothing is known". */
export const noKnowledge: KnowledgePort = {
  search: ({ collection }) => {
    const named = collection === null ? 'a knowledge base' : `the collection "${collection}"`;
    const problem = `collection: this step asks ${named}, but this installation has no knowledge base connected; remove the step or pin its output.`;
    return Promise.reject(invalid(Fault.knowledgeNotConfigured, problem));
  },
};
