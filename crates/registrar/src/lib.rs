//! Takes a submission: authenticates, decides, links, appends, answers with a receipt.
