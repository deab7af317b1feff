/** What to tell people about a failure, and beside which field. */
export interface Problem {
  readonly message: string;
  readonly field?: string | undefined;
}

/** A failure of the server or the network brings its own sentence; anything else gets a general one, never its own name. */
export function problemOf(error: unknown, otherwise: string): Problem {
  if (!(error instanceof Error) || error.name !== 'ApiError') return { message: otherwise };
  const field = 'field' in error && typeof error.field === 'string' ? error.field : undefined;
  return { message: error.message, field };
}
