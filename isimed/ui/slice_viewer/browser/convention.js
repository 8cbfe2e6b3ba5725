// Which side of a picture is the patient's right: one answer for all of a page, for two would be a trap.

let chosen = null; // what the user switched to
const followers = new Set();

export function convention(fallback = "radiological") {
  return chosen ?? fallback;
}

export function choose(wanted) {
  chosen = wanted;
  followers.forEach((follow) => follow());
}

/** Call a function at every switch; returns how to stop that. */
export function onSwitch(follow) {
  followers.add(follow);
  return () => followers.delete(follow);
}
