//! The cover sheet: what the copy is of, what it leaves out, who certifies it and how, and how to check it.

use maud::{Markup, html};

use super::frame::{both_times, page as framed};
use super::{Copy, DELEGATION, casebook_path};
use crate::words::{count, counted, words};

pub(super) fn page(copy: &Copy) -> Markup {
    let held = copy.of_site() + copy.of_trial.len() as u64;
    let main = html! {
        h1 { "Certified copy: site " (copy.site.site) }
        p {
            "This is the part of the trial's log that belongs to " (copy.site.name) ": every record of its subjects, and every \
             record of the trial as a whole, as they stood when the log held " (count(copy.size)) " records. The pages need \
             nothing but a browser or a printer. Beside them stand the records themselves, byte for byte, with the proof that \
             each is in the log that the checkpoint's signature is over."
        }
        h2 { "Scope" }
        dl.facts {
            dt { "Trial" } dd { (copy.trial_id()) ": " (copy.trial.title) }
            dt { "Site" } dd { (copy.site.site) ": " (copy.site.name) ", " (copy.site.country) ", time zone " (copy.site.zone) }
            dt { "Subjects" } dd { (count(copy.subjects.len() as u64)) }
            dt { "Records of these subjects" } dd { (count(copy.of_site())) }
            dt { "Records of the trial as a whole" } dd { (count(copy.of_trial.len() as u64)) }
            dt { "Findings in these records" } dd { (count(copy.findings() as u64)) }
            dt { "Log" } dd { code { (copy.origin) } }
            dt { "Genesis" } dd { code { (copy.trial.genesis) } }
            dt { "Checkpoint" } dd { (counted(copy.size, "record", "records")) " under root " code { (copy.root) } }
            dt { "Head" } dd { "the last of them has hash " code { (copy.head) } }
            dt { "Copied" } dd { (both_times(copy.site.zone.as_str(), &copy.made_at)) br; "by " (copy.made_by) }
        }
        h2 { "Left out" }
        ul {
            li {
                (counted(copy.size.saturating_sub(held), "record", "records")) " of other sites' subjects. Their hashes are in \
                 the copy, so that the proofs hold; nothing else of them is."
            }
            li { (left_out_of_texts(copy)) }
            li {
                "Which arm a subject was given does not stand in the log in clear, and queries, verifications and electronic \
                 signatures on forms are no kinds of record of this version: there are none to show."
            }
        }
        h2 { "Pages" }
        table {
            thead { tr { th { "Page" } th { "Records" } th { "Findings" } } }
            tbody {
                tr { th scope="row" { a href=(DELEGATION) { "Delegation log" } } td { "–" } td { "–" } }
                @for (subject, records) in &copy.subjects {
                    tr {
                        th scope="row" { a href=(casebook_path(subject)) { "Casebook of " (subject) } }
                        td { (records.len()) }
                        td { (records.iter().map(|view| view.findings.len()).sum::<usize>()) }
                    }
                }
            }
        }
        (certification(copy))
        (checking())
    };
    framed(copy, "Cover sheet", "", &main)
}

fn left_out_of_texts(copy: &Copy) -> Markup {
    let texts = copy.texts() as u64;
    html! {
        @match &copy.opened {
            _ if texts == 0 => { "No free text: these records hold none." },
            None => {
                (counted(texts, "free text is", "free texts are")) " shown as sealed, with the commitment that fixes what was \
                 said. The site opens them with its own keys."
            },
            Some(opened) => {
                (count(opened.len() as u64)) " of " (counted(texts, "free text was", "free texts were")) " opened for the pages \
                 by a person who is entitled to them at this site. In the records they stay sealed."
            },
        }
    }
}

fn certification(copy: &Copy) -> Markup {
    html! {
        h2 { "Certification" }
        p {
            "The copy was made by the program named above from the log itself. Each record in it is the log's own bytes; the \
             values on the pages are those of the records. This is to be certified by whoever answers for the copy, as having \
             been compared with the log by the check below."
        }
        @match &copy.certifier {
            Some(by) => {
                dl.facts {
                    dt { "Certified by" } dd { strong { (by.holder) } ", " (words(&by.role)) br; (by.organisation) }
                    dt { "With the key" } dd { code { (by.key) } }
                    dt { "How" } dd {
                        "Signature in " code { "certificate.json" } " over the scope above and the digests of all other files. \
                         The key is one that the log grants to this person; the check below says whether the signature holds."
                    }
                }
            },
            None => {
                p { "Nobody's key certifies this copy. It may be certified by hand:" }
                table.sign {
                    tbody {
                        tr { th.item scope="row" { "Name and role" } td {} }
                        tr { th.item scope="row" { "Checked with, and outcome" } td {} }
                        tr { th.item scope="row" { "Date and signature" } td {} }
                    }
                }
            },
        }
    }
}

fn checking() -> Markup {
    html! {
        h2 { "Checking it" }
        p {
            "Two things must reach you by another way than this file, such as a letter or a call from the sponsor: the log's \
             verifier key and the genesis. Whoever could alter this file could alter what it says of them. Then:"
        }
        pre { "trialbook-verify FILE --key VKEY --genesis HEX" }
        p {
            "It answers in one sentence: that the records in the copy hold as the part of this site; or what contradicts, with \
             its place. It cannot tell whether a record of this site was left out with those of others: for that the site \
             compares the counts above with its own copy of the log, or its receipts."
        }
        dl.facts {
            dt { code { "log/" } } dd { "The records, each as it was signed, the hashes of all, and the checkpoint that the log's key has signed." }
            dt { code { "proofs/" } } dd { "For each record of a subject of this site, under its position, the proof that it is in the log (C2SP tlog-proof)." }
            dt { code { "certificate.json" } } dd { "The scope above for programs, and who certifies it." }
            dt { code { "keys/" } } dd { "Verifier key and genesis as the registry states them: to be compared, not to be relied on." }
            dt { code { "MANIFEST" } } dd { "Length and SHA-256 of every other file." }
        }
    }
}
