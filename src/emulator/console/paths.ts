/** Everything of the page but the page itself, which is at `/`, is below this. */
export const CONSOLE_PATH = '/console/';
