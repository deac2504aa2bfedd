// An LLM behind an OpenAI-style API: npx tsx examples/llm/main.ts
//
// The tokens come as server-sent events. Where the model hangs before its first token, or its server is gone, a smaller model
// answers. Where the model stalls later, the stream ends with an error, because half of an answer cannot be replaced.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { answerWith, consecutiveFailures, createGuard, FallbackRegistry, provenanceOf } from 'failsoft';
import { guardedFetch, httpAnswer, httpRoute, perJsonField } from 'failsoft/fetch';

interface Chat {
  readonly model: string;
  readonly stream: boolean;
  readonly messages: readonly { readonly role: string; readonly content: string }[];
}

/** A small mock of the API. `trouble` is the fault of the large model. */
async function startMock() {
  const state = { trouble: 'none' as 'none' | 'hangs' | 'down' | 'stalls', url: '' };
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => {
      body += chunk.toString();
    });
    request.on('end', () => {
      const { model }: Chat = JSON.parse(body);
      const trouble = model === 'large' ? state.trouble : 'none';
      if (trouble === 'down') return void response.writeHead(503, { 'retry-after': '30' }).end();
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.flushHeaders();
      if (trouble === 'hangs') return;
      for (const token of ['all', ' is', ' well']) {
        response.write(`data: ${JSON.stringify({ choices: [{ delta: { content: token } }] })}\n\n`);
        if (trouble === 'stalls') return;
      }
      response.end('data: [DONE]\n\n');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  state.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  return { state, close };
}

const { state, close } = await startMock();
const route = '/v1/chat/completions';
const post = (chat: unknown) => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(chat),
});

// When the large model does not answer, a smaller model is asked, by the same API.
const chat = httpRoute<Chat>(`POST ${state.url}${route}`);
const fallbacks = new FallbackRegistry().register(chat, [
  answerWith('small', async ({ request, signal }) =>
    httpAnswer(await fetch(request.url, { ...post({ ...request.body, model: 'small' }), signal })),
  ),
]);

// A circuit per model; a time limit for the first token, and for each pause after it.
const guard = createGuard({
  keyBy: perJsonField('model'),
  fallbacks,
  firstMessageTimeoutMs: 2_000,
  stallTimeoutMs: 2_000,
  circuit: { trip: [consecutiveFailures({ failures: 2 })] },
});
guard.on('transition', ({ from, to, reason }) => console.log(`  circuit ${from} -> ${to}: ${reason}`));

// `fetch` is an option of most SDKs: new OpenAI({ fetch: guarded }).
const guarded = guardedFetch(guard, { routes: [route] });

async function ask(title: string): Promise<void> {
  const chatRequest: Chat = {
    model: 'large',
    stream: true,
    messages: [{ role: 'user', content: 'How are you?' }],
  };
  try {
    const response = await guarded(`${state.url}${route}`, post(chatRequest));
    const { source, cause } = provenanceOf(response);
    const text = await response.text();
    const tokens = [...text.matchAll(/"content":"([^"]*)"/g)].map(([, token]) => token).join('');
    console.log(`${title}: "${tokens}" from ${source}${cause === undefined ? '' : ` (${cause})`}`);
  } catch (error) {
    console.log(`${title}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

await ask('all is well');
state.trouble = 'stalls';
await ask('it stalls after a token');
state.trouble = 'none';
await ask('it is well again');
state.trouble = 'hangs';
await ask('no first token');
state.trouble = 'none';
await ask('it is well once more');
state.trouble = 'down';
await ask('the server is down');
await ask('it is still down');
await ask('the circuit is open');
await guard.close();
close();
