//! The web pages, over the same traits as the API.
