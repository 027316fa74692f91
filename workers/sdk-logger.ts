import { DefaultLogger, type LogLevel } from '@temporalio/worker';
import type { Logger } from '../db/log.js';

const LEVELS: Readonly<Record<LogLevel, 'trace' | 'debug' | 'info' | 'warn' | 'error'>> = {
  TRACE: 'trace',
  DEBUG: 'debug',
  INFO: 'info',
  WARN: 'warn',
  ERROR: 'error',
};

/** What the SDK has to say that somebody should look at, in our own log and its form. */
export const sdkLogger = (log: Logger): DefaultLogger =>
  new DefaultLogger('WARN', ({ level, message, meta }) => log[LEVELS[level]]({ ...meta }, message));
