/** What a {@link RecencyList} holds: the links are its own. */
export interface Linked<T> {
  older: T | undefined;
  newer: T | undefined;
}

/** Things in the order in which they were last used: a doubly linked list whose links are in the things themselves. */
export class RecencyList<T extends Linked<T>> {
  oldest: T | undefined;
  newest: T | undefined;
  size = 0;

  /** Adds a thing that is in no list, as the newest. */
  add(item: T): void {
    item.older = this.newest;
    item.newer = undefined;
    if (this.newest === undefined) this.oldest = item;
    else this.newest.newer = item;
    this.newest = item;
    this.size += 1;
  }

  /** Removes a thing that is in this list. */
  remove(item: T): void {
    const { older, newer } = item;
    if (older === undefined) this.oldest = newer;
    else older.newer = newer;
    if (newer === undefined) this.newest = older;
    else newer.older = older;
    item.older = undefined;
    item.newer = undefined;
    this.size -= 1;
  }
}
