//! Re-derives everything from the records handed to it and says, with code and place, what does not hold.
