/** A file as the text that a browser is sent; `build/text-imports.ts` makes it. */
declare module '*?text' {
  export const text: string;
}
