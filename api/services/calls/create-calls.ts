import type { RunNews } from '../../../db/listen.js';
import type { ApiConfig } from '../../config.js';
import { createTokenSigner } from '../access-tokens.js';
import type { LogReader } from '../streams.js';
import { createAnalyticsService, type AnalyticsService } from './analytics.js';
import { createCallStreams, type CallStreams } from './call-streams.js';
import { createCallService, type CallDeps, type CallService } from './calls.js';

export interface CallServices {
  readonly calls: CallService;
  readonly callStreams: CallStreams;
  readonly analytics: AnalyticsService;
}

export interface CallServiceDeps extends Omit<CallDeps, 'signer' | 'socketUrl' | 'news'> {
  readonly config: Pick<ApiConfig, 'publicUrl' | 'port'> & { readonly masterKey: Buffer };
  readonly news: RunNews;
  readonly log: LogReader;
}

/** Calls, what is seen of them live, and their figures. */
export function createCalls({ config, log, ...deps }: CallServiceDeps): CallServices {
  const { db } = deps;
  const here = config.publicUrl ?? `http://localhost:${config.port}`;
  return {
    calls: createCallService({
      ...deps,
      signer: createTokenSigner(config.masterKey),
      socketUrl: `${here.replace(/^http/, 'ws')}/ws/calls`,
    }),
    callStreams: createCallStreams({ db, log }),
    analytics: createAnalyticsService({ db }),
  };
}
