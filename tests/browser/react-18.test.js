// The documented front end in React 18, in StrictMode.

import { frontEnd } from "./front-ends.js";

frontEnd("React 18");
