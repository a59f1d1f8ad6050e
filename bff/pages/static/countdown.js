// Counts down on the page's monotonic clock from the seconds that the server says are left. The device's clock, which
// may be wrong or be set meanwhile, is not asked.

// Two answers of the server that differ by less are one end: the network took the difference.
const NETWORK_SECONDS = 2;

export class Countdown {
  #end = null;
  #timer;
  #onSecond;

  constructor(onSecond) {
    this.#onSecond = onSecond;
  }

  // `askedAt` is performance.now() before the server was asked, so that the countdown never ends after the server's.
  set(secondsLeft, askedAt) {
    const end = askedAt + secondsLeft * 1000;
    const isSame = this.#end !== null && Math.abs(end - this.#end) < NETWORK_SECONDS * 1000;
    this.#end = isSame ? Math.min(end, this.#end) : end;
    this.#tick();
  }

  get left() {
    return this.#end === null ? Infinity : (this.#end - performance.now()) / 1000;
  }

  stop() {
    clearTimeout(this.#timer);
  }

  #tick() {
    this.stop();
    const left = this.left;
    this.#onSecond(Math.max(0, left));
    if (left > 0) {
      const untilNextSecond = (left % 1) * 1000;
      this.#timer = setTimeout(() => this.#tick(), untilNextSecond + 5);
    }
  }
}

// 29:05, and 1:02:09 from an hour on.
export function clock(seconds) {
  const whole = Math.ceil(seconds);
  const two = (number) => String(number).padStart(2, "0");
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}
