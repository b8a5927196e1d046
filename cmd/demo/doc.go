// Command demo is the whole line in one process: a roll-out that every release test on verdicts lets pass, and the alert
// that it sets off.
//
//	studio ─► deployed detector ─► Kafka ═► worker ═► Redis ─► alerter ─► sink
//	(media)   1.0, later 1.1       (kfake)  (the real (mini-   (the real    │
//	                                         line)     redis)   clock path) ▼
//	                                                     terminal, page, plot
//
// The broker and Redis are embedded and listen on 127.0.0.1 only; pictures, labels and both detectors are made by this
// repository. What lies between is what `shaketable run` runs, with folds and buckets of a second instead of a minute.
package main
