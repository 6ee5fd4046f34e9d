/** What any number of callers wait for, until it is given. */
export class Answer<T> {
  readonly given: Promise<T>
  give!: (value: T) => void

  constructor() {
    this.given = new Promise((resolve) => (this.give = resolve))
  }
}
