//! SLEDAI-2K: 24 descriptors with fixed weights (Gladman, Ibañez, Urowitz, J Rheumatol 2002;29:288).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Whether a descriptor is present. What was not examined is not absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// Present and attributed to active lupus.
    Present,
    /// Absent.
    Absent,
    /// Not examined.
    NotDone,
}

macro_rules! descriptors {
    ($( $variant:ident = $name:ident, $weight:literal, $doc:literal; )*) => {
        /// A descriptor of the SLEDAI-2K.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Descriptor {
            $( #[doc = $doc] $variant, )*
        }

        impl Descriptor {
            /// All 24, in the index's order.
            pub const ALL: [Self; 24] = [$( Self::$variant, )*];

            /// Its name in the bytes.
            pub fn as_str(self) -> &'static str {
                match self {
                    $( Self::$variant => stringify!($name), )*
                }
            }

            /// Points if present.
            pub fn weight(self) -> u16 {
                match self {
                    $( Self::$variant => $weight, )*
                }
            }
        }
    };
}

descriptors! {
    Seizure = seizure, 8, "Seizure.";
    Psychosis = psychosis, 8, "Psychosis.";
    OrganicBrainSyndrome = organic_brain_syndrome, 8, "Organic brain syndrome.";
    VisualDisturbance = visual_disturbance, 8, "Visual disturbance.";
    CranialNerveDisorder = cranial_nerve_disorder, 8, "Cranial nerve disorder.";
    LupusHeadache = lupus_headache, 8, "Lupus headache.";
    CerebrovascularAccident = cerebrovascular_accident, 8, "Cerebrovascular accident.";
    Vasculitis = vasculitis, 8, "Vasculitis.";
    Arthritis = arthritis, 4, "Arthritis.";
    Myositis = myositis, 4, "Myositis.";
    UrinaryCasts = urinary_casts, 4, "Urinary casts.";
    Haematuria = haematuria, 4, "Haematuria.";
    Proteinuria = proteinuria, 4, "Proteinuria.";
    Pyuria = pyuria, 4, "Pyuria.";
    Rash = rash, 2, "Rash.";
    Alopecia = alopecia, 2, "Alopecia.";
    MucosalUlcers = mucosal_ulcers, 2, "Mucosal ulcers.";
    Pleurisy = pleurisy, 2, "Pleurisy.";
    Pericarditis = pericarditis, 2, "Pericarditis.";
    LowComplement = low_complement, 2, "Low complement.";
    IncreasedDnaBinding = increased_dna_binding, 2, "Increased DNA binding.";
    Fever = fever, 1, "Fever.";
    Thrombocytopenia = thrombocytopenia, 1, "Thrombocytopenia.";
    Leukopenia = leukopenia, 1, "Leukopenia.";
}

impl Descriptor {
    /// Whether it counts for the clinical index: all but the two serological ones.
    pub fn is_clinical(self) -> bool {
        !matches!(self, Self::LowComplement | Self::IncreasedDnaBinding)
    }
}

/// A score, with what was not examined kept apart from what is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Score {
    /// Sum over present descriptors, 0 to 105.
    pub total: u16,
    /// Sum over present clinical descriptors.
    pub clinical: u16,
    /// Descriptors not examined or not given; only with 0 is the score complete.
    pub not_done: u16,
}

/// Scores a set of descriptors. A descriptor that is not given counts as not examined.
///
/// ```
/// use clinical::sledai::{Descriptor, Presence, score};
/// let all = Descriptor::ALL.into_iter().map(|item| (item, Presence::Present)).collect();
/// assert_eq!(score(&all).total, 105);
/// ```
pub fn score(descriptors: &BTreeMap<Descriptor, Presence>) -> Score {
    Items::of(descriptors).score()
}

/// The SLEDAI-2K's items at one visit, small enough to keep one for every visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Items {
    present: u32,
    absent: u32,
}

impl Items {
    /// Items as a visit states them: what it does not name was not examined.
    pub fn of(stated: &BTreeMap<Descriptor, Presence>) -> Self {
        let mut items = Self::default();
        for (item, presence) in stated {
            items.set(*item, *presence);
        }
        items
    }

    /// States an item.
    pub fn set(&mut self, item: Descriptor, presence: Presence) {
        let bit = bit(item);
        self.present &= !bit;
        self.absent &= !bit;
        match presence {
            Presence::Present => self.present |= bit,
            Presence::Absent => self.absent |= bit,
            Presence::NotDone => {}
        }
    }

    /// What is stated of an item.
    pub fn presence(self, item: Descriptor) -> Presence {
        let bit = bit(item);
        if self.present & bit != 0 {
            Presence::Present
        } else if self.absent & bit != 0 {
            Presence::Absent
        } else {
            Presence::NotDone
        }
    }

    /// The score over what is present, and how many items were not examined.
    pub fn score(self) -> Score {
        let mut score = Score { total: 0, clinical: 0, not_done: 0 };
        for item in Descriptor::ALL {
            match self.presence(item) {
                Presence::Present => {
                    score.total += item.weight();
                    score.clinical += if item.is_clinical() { item.weight() } else { 0 };
                }
                Presence::Absent => {}
                Presence::NotDone => score.not_done += 1,
            }
        }
        score
    }

    /// The lowest and the highest total that the items allow.
    pub fn total_range(self) -> (u16, u16) {
        let lowest = self.score().total;
        let open = Descriptor::ALL.into_iter().filter(|item| self.presence(*item) == Presence::NotDone);
        (lowest, lowest + open.map(Descriptor::weight).sum::<u16>())
    }
}

fn bit(item: Descriptor) -> u32 {
    let place = Descriptor::ALL.iter().position(|one| *one == item);
    1 << place.expect("every descriptor is among all of them")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptors_name_is_that_of_the_bytes() {
        for item in Descriptor::ALL {
            assert_eq!(serde_json::to_value(item).unwrap(), item.as_str());
        }
    }

    #[test]
    fn items_say_what_was_stated_and_nothing_of_the_rest() {
        let stated: BTreeMap<_, _> =
            [(Descriptor::Seizure, Presence::Present), (Descriptor::Leukopenia, Presence::Absent)].into();
        let items = Items::of(&stated);
        for item in Descriptor::ALL {
            assert_eq!(items.presence(item), stated.get(&item).copied().unwrap_or(Presence::NotDone));
        }
        assert_eq!(items.score(), score(&stated));
        assert_eq!(items.total_range(), (8, 104));
    }

    #[test]
    fn what_was_not_examined_is_not_absent() {
        let mut items: BTreeMap<_, _> =
            Descriptor::ALL.into_iter().map(|item| (item, Presence::Absent)).collect();
        assert_eq!(score(&items), Score { total: 0, clinical: 0, not_done: 0 });
        items.insert(Descriptor::LowComplement, Presence::Present);
        items.insert(Descriptor::Rash, Presence::Present);
        items.remove(&Descriptor::Fever);
        assert_eq!(score(&items), Score { total: 4, clinical: 2, not_done: 1 });
    }
}
