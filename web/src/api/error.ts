import type { ErrorDetail } from '../wire/ErrorDetail';
import type { SettingProblem } from '../wire/SettingProblem';

/** Codes that the page itself gives when no answer with a code arrived. */
export type LocalErrorCode = 'network' | 'bad_answer';

/** Any request that did not succeed. Programs decide by `code`; people read `message`. */
export class ApiError extends Error {
  readonly code: string;
  /** The HTTP status; 0 when there was no answer. */
  readonly status: number;
  readonly field: string | undefined;
  readonly retryAfterSeconds: number | undefined;
  /** All that is wrong with settings, where it is about settings. */
  readonly problems: readonly SettingProblem[];

  constructor(detail: ErrorDetail, status: number) {
    super(detail.message);
    this.name = 'ApiError';
    this.code = detail.code;
    this.status = status;
    this.field = detail.field;
    this.retryAfterSeconds = detail.retryAfterSeconds;
    this.problems = detail.problems ?? [];
  }

  /** Whether the same request may well succeed a little later: no answer, too many requests, or a server in trouble. */
  get passes(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }

  /** No answer came: the network or the server is away. */
  static network(): ApiError {
    return new ApiError(local('network', 'The server can’t be reached. Check your connection and try again.'), 0);
  }

  /** Whatever was thrown by a request. */
  static from(error: unknown): ApiError {
    return error instanceof ApiError ? error : ApiError.network();
  }

  /** Something answered that does not speak this protocol. */
  static badAnswer(status: number): ApiError {
    return new ApiError(local('bad_answer', 'The server gave an answer that can’t be read. Try again later.'), status);
  }
}

function local(code: LocalErrorCode, message: string): ErrorDetail {
  return { code, message };
}
