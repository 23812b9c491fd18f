//! What witnesses have answered, and which of it is believed.

use chain::{SignedCheckpoint, TreeSize};

use super::{Runner, Sealing};
use crate::refusal::{Fault, Refusal, Side};
use crate::witness::Outcome;

/// What makes a witness believed that says of a tree what ours is not.
enum Believed {
    /// Its word.
    Claim,
    /// A checkpoint of this size that this log has signed.
    Shown(TreeSize),
    /// A checkpoint under this log's name, by a key that the journal does not know; what to refuse for.
    ByUnknownKey(Refusal),
}

impl Runner {
    /// Takes what witnesses have answered, and does what follows from it.
    pub(super) fn take_answers(&self, sealing: &mut Sealing) -> Result<(), Fault> {
        let answers: Vec<_> = self.shared.change(|state| {
            let seats = state.seats.iter_mut().enumerate();
            seats.filter_map(|(place, seat)| seat.outcome.take().map(|answer| (place, answer))).collect()
        });
        for (place, (size, outcome)) in answers {
            let name = self.shared.read().seats[place].name.clone();
            let taken = match outcome {
                Outcome::Cosigned(lines) => self.add(sealing, &name, size, &lines),
                Outcome::Disagrees { shown, continues } => {
                    let claim = format!(
                        "says that it has cosigned a tree that ours of {size} records does not continue"
                    );
                    match self.believed(place, shown.as_deref(), &claim) {
                        Ok(Believed::ByUnknownKey(refusal)) => return Err(refusal.into()),
                        Ok(Believed::Shown(shown)) if continues => Err(format!(
                            "{claim}, and shows our checkpoint over {shown}, which it does continue"
                        )),
                        Ok(_) => return Err(Refusal::WitnessDisagrees { witness: name, size }.into()),
                        Err(why) => Err(why),
                    }
                }
                Outcome::Ahead { size: theirs, shown } => {
                    let kept = sealing.sealer.last_kept_size()?;
                    let claim = format!("says that it has cosigned {theirs} records");
                    if Some(theirs) <= kept {
                        Err(claim)
                    } else {
                        match self.believed(place, shown.as_deref(), &claim) {
                            Ok(Believed::ByUnknownKey(refusal)) => return Err(refusal.into()),
                            Ok(Believed::Shown(shown)) if Some(shown) <= kept => {
                                Err(format!("{claim}, and shows our checkpoint over {shown}"))
                            }
                            Ok(believed) => {
                                let size = match believed {
                                    Believed::Shown(shown) => shown,
                                    _ => theirs,
                                };
                                return Err(
                                    Refusal::StateBehind { kept, side: Side::Witness(name), size }.into()
                                );
                            }
                            Err(why) => Err(why),
                        }
                    }
                }
                Outcome::Unknown { said, shown } => {
                    let kept = sealing.sealer.last_kept_size()?;
                    match self.believed(place, Some(&shown), &said) {
                        Ok(Believed::ByUnknownKey(refusal)) => return Err(refusal.into()),
                        Ok(Believed::Shown(size)) if Some(size) > kept => {
                            return Err(Refusal::StateBehind { kept, side: Side::Witness(name), size }.into());
                        }
                        _ => Err(said),
                    }
                }
                Outcome::Failed(error) => Err(error),
            };
            self.shared.change(|state| {
                let seat = &mut state.seats[place];
                match taken {
                    Ok(()) => (seat.cosigned, seat.error) = (Some(size), None),
                    Err(error) => seat.error = Some(error),
                }
            });
        }
        self.settle(sealing)
    }

    /// Whether what a witness says of a tree that is not ours is to be believed, and by what.
    ///
    /// Such a checkpoint is proof. A witness that shows none is believed as long as it has cosigned nothing of ours since the
    /// start: our state may be an older copy, and the journal with it, so that one signed by a key unknown here may be a later
    /// key's. Later it contradicts itself, for only we sign what would continue what it has cosigned. What bears another name,
    /// or is no checkpoint, must not stop us.
    fn believed(&self, place: usize, shown: Option<&[u8]>, claim: &str) -> Result<Believed, String> {
        let (name, cosigned) = {
            let seat = &self.shared.read().seats[place];
            (seat.name.clone(), seat.cosigned)
        };
        let Some(shown) = shown else {
            return match cosigned {
                None => Ok(Believed::Claim),
                Some(cosigned) => Err(format!(
                    "{claim}, after it had cosigned ours of {cosigned}, and shows no checkpoint: it is not believed"
                )),
            };
        };
        let parsed = SignedCheckpoint::parse(shown).ok();
        let named = parsed.as_ref().filter(|shown| shown.claim().origin() == self.keys.origin());
        let read = named.map(|shown| {
            let size = shown.claim().size;
            (size, shown.verify(&self.keys.due(size), &[]).map(drop))
        });
        match read {
            Some((size, Ok(()))) => Ok(Believed::Shown(size)),
            Some((size, Err(error))) if error.is_unknown() && cosigned.is_none() => {
                Ok(Believed::ByUnknownKey(Refusal::KeyUnknown { side: Side::Witness(name), size }))
            }
            _ => {
                Err(format!("{claim}, and shows no checkpoint that this log has signed: it is not believed"))
            }
        }
    }
}
