import type { FallbackStrategy } from 'failsoft';

/** A question to a strategy, which the test answers. */
export interface Question {
  readonly kind: string;
  readonly signal: AbortSignal;
  /** Answers with this text; without a text, the strategy declines. */
  answer(text?: string): void;
  fail(): void;
}

/** A strategy whose answers the test gives. @param messageOf makes the message of an answer */
export function askedStrategy<Req, Res>(
  messageOf: (text: string) => Res,
  options: Partial<FallbackStrategy<Req, Res>> = {},
): { readonly questions: Question[]; readonly strategy: FallbackStrategy<Req, Res> } {
  const questions: Question[] = [];
  const strategy: FallbackStrategy<Req, Res> = {
    name: 'secondary:asked',
    ...options,
    answer: ({ cause, signal }) =>
      new Promise((resolve, reject) => {
        questions.push({
          kind: cause.kind,
          signal,
          answer: (text) =>
            resolve(text === undefined ? undefined : { message: messageOf(text), source: 'secondary:asked' }),
          fail: () => reject(new Error('down too')),
        });
      }),
  };
  return { questions, strategy };
}
