/** What the tests use of Express, which has no types of its own. */
declare module 'express' {
  import type { IncomingMessage, ServerResponse } from 'node:http';

  interface Router {
    (request: IncomingMessage, response: ServerResponse): void;
    use(path: string, handler: (request: IncomingMessage, response: ServerResponse) => void): void;
  }
  function express(): Router;
  namespace express {
    function Router(): Router;
  }
  export default express;
}
