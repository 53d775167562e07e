/** Requested by all clients. Alone in its file, so that a client's program does not create the server's responses. */
export const MODEL = 'public/deepseek-r1';
