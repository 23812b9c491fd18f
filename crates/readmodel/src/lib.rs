//! A disposable store on sled: rows and position in one transaction, thrown away whenever in doubt.
