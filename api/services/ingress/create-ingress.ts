import type { SecretStore } from '../../../db/secrets.js';
import type { SourceRef } from '../../../db/ingress-sources.js';
import type { Accepted as AcceptedRun } from '../chain-runs.js';
import { createDraftCompiler } from '../draft-plan.js';
import type { UrlRulesOf } from '../egress-lists.js';
import { receiveForChain, receiveForPublicChain, type ChainCame } from './chain-ingress.js';
import { createIngressMessageService, type IngressMessageService } from './messages.js';
import { sweepMessages } from './process.js';
import { receive, type Answered, type Delivered, type ReceiveDeps } from './receive.js';
import { rehearse, type Rehearsal, type Rehearsed } from './rehearse.js';
import { createIngressSourceService, type IngressSourceService } from './sources.js';

/** One pipeline for every webhook that comes in. */
export interface IngressService {
  readonly receive: (came: Delivered) => Promise<Answered>;
  readonly receiveForChain: (came: ChainCame & { readonly workspaceId: string }) => Promise<AcceptedRun>;
  readonly receiveForPublicChain: (came: ChainCame & { readonly workspaceSlug: string }) => Promise<AcceptedRun>;
  readonly rehearse: (ref: SourceRef, request: Rehearsal) => Promise<Rehearsed>;
  /** Processes what was accepted by a process that died, or failed for a while. */
  readonly sweep: () => Promise<void>;
}

export interface IngressServices {
  readonly ingress: IngressService;
  readonly ingressSources: IngressSourceService;
  readonly ingressMessages: IngressMessageService;
}

export interface IngressDeps extends Omit<ReceiveDeps, 'vault' | 'db' | 'compileDraft'> {
  readonly secrets: SecretStore;
  readonly urlRules: UrlRulesOf;
  readonly here: string;
}

export function createIngress({ secrets, urlRules, ...given }: IngressDeps): IngressServices {
  const deps = { ...given, ...secrets, secrets, urlRules, compileDraft: createDraftCompiler({ ...secrets, urlRules }) };
  return {
    ingress: {
      receive: (came) => receive(deps, came),
      receiveForChain: (came) => receiveForChain(deps, came),
      receiveForPublicChain: (came) => receiveForPublicChain(deps, came),
      rehearse: (ref, request) => rehearse(deps, ref, request),
      sweep: () => sweepMessages(deps),
    },
    ingressSources: createIngressSourceService(deps),
    ingressMessages: createIngressMessageService(deps),
  };
}
