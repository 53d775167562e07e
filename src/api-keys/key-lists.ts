import type { Result } from '../http/call.ts';
import type { Perform } from './control-plane.ts';
import type { KeyScope } from './key-scope.ts';
import { type ListedPage, listOperation, type PageQuery } from './list-page.ts';
import { isMissingPath } from './missing-path.ts';

/** Asks for a page of some list. */
export type FetchPage = (query: PageQuery, perform: Perform) => Promise<Result<ListedPage>>;

/** Knows by which path the keys of a client are listed. */
export class KeyLists {
  readonly #kind: KeyScope['kind'];
  #hasMaskedList: boolean | undefined;

  constructor(kind: KeyScope['kind']) {
    this.#kind = kind;
  }

  /**
   * Whether the server is one from 0.17 on, which masks a list itself and shows single keys again; undefined before
   * the first list was answered.
   */
  get hasMaskedList(): boolean | undefined {
    return this.#hasMaskedList;
  }

  /**
   * All keys. Asks for the list that the server masks itself, and where there is none for the plain one. Which of
   * them there is stays known from the first answer on; an error that says something else stays what it is.
   */
  readonly all: FetchPage = async (query, perform) => {
    const ask = (hasMaskedList: boolean): Promise<Result<ListedPage>> =>
      perform(listOperation(hasMaskedList ? 'masked-apikeys' : 'apikeys', query, this.#kind));
    if (this.#hasMaskedList !== undefined) return ask(this.#hasMaskedList);
    try {
      const answer = await ask(true);
      this.#hasMaskedList = true;
      return answer;
    } catch (error) {
      if (!isMissingPath(error)) throw error;
      const answer = await ask(false);
      this.#hasMaskedList = false;
      return answer;
    }
  };

  /** The keys of the caller. In an account these are all that there are; in a workspace no server masks this list. */
  readonly own: FetchPage = (query, perform) =>
    this.#kind === 'account'
      ? this.all(query, perform)
      : perform(listOperation('my-apikeys', query, this.#kind));
}
