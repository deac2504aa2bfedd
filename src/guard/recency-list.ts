/** An item of a {@link RecencyList}, with the links that the list sets. */
export interface Linked<T> {
  older: T | undefined;
  newer: T | undefined;
}

/** Items in the order of their last use: a doubly linked list whose links are fields of the items. */
export class RecencyList<T extends Linked<T>> {
  oldest: T | undefined;
  newest: T | undefined;
  size = 0;

  /** Adds an item that is in no list, as the newest. */
  add(item: T): void {
    item.older = this.newest;
    item.newer = undefined;
    if (this.newest === undefined) this.oldest = item;
    else this.newest.newer = item;
    this.newest = item;
    this.size += 1;
  }

  /** Removes an item of this list. */
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
