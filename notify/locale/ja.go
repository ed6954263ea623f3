package locale

import (
	"fmt"
	"strconv"
	"time"
)

var japanese = Locale{
	Tag:         "ja",
	days:        [7]string{"日曜日", "月曜日", "火曜日", "水曜日", "木曜日", "金曜日", "土曜日"},
	shortDays:   [7]string{"日", "月", "火", "水", "木", "金", "土"},
	months:      [12]string{"1月", "2月", "3月", "4月", "5月", "6月", "7月", "8月", "9月", "10月", "11月", "12月"},
	shortMonths: [12]string{"1月", "2月", "3月", "4月", "5月", "6月", "7月", "8月", "9月", "10月", "11月", "12月"},
	am:          "午前", pm: "午後",
	order: YMD, separator: '/', clock: 24, clock12: "%p%-I:%M",
	dateTime: "%Y年%m月%d日(%a) %X", stamp: "%Y年%m月%d日 %H:%M:%S %Z", stampDay: "%Y年%m月%d日",
	long: "%Y年%-m月%-d日(%a)", short: "%-m月%-d日(%a)", year: "%Y年",
	fullDate: "%Y年%-m月%-d日",
	between:  " ～ ", before: " ", and: "、", comma: "、",
	rules: rules{
		daily: func(n int) string {
			if n == 1 {
				return "毎日"
			}
			return fill("{n}日ごと", n)
		},
		workdays: func(n int) string {
			if n == 1 {
				return "毎週月曜日から金曜日"
			}
			return fill("{n}週間ごとの月曜日から金曜日", n)
		},
		weekly: func(l *Locale, n int, days []time.Weekday) string {
			list := ""
			for i, d := range days {
				if i > 0 {
					list += "・"
				}
				list += l.days[d]
			}
			if n == 1 {
				return "毎週" + list
			}
			return fill("{n}週間ごとの", n) + list
		},
		monthDay: func(l *Locale, n int, days []int) string {
			return japaneseMonths(mapped(l, days, func(d int) string {
				if d == -1 {
					return "末日"
				}
				return strconv.Itoa(d) + "日"
			}), n)
		},
		monthNth: func(l *Locale, n int, nths []int, day int) string {
			return japaneseMonths(japaneseNths(l, nths, day), n)
		},
		yearDay: func(_ Manner, n int, month time.Month, day int) string {
			return japaneseYears(fmt.Sprintf("%d月%d日", month, day), n)
		},
		yearNth: func(l *Locale, n int, month time.Month, nths []int, day int) string {
			return japaneseYears(l.months[month-1]+"の"+japaneseNths(l, nths, day), n)
		},
		times: func(n int) string { return fill("、全{n}回", n) },
		until: func(date string) string { return "、" + date + "まで" },
		other: "繰り返しあり(日程はカレンダーをご覧ください)",
		dates: "個別の日程",
	},
	Words: Words{
		PartStat: map[string]string{"ACCEPTED": "承諾", "DECLINED": "辞退", "TENTATIVE": "仮承諾", "DELEGATED": "代理",
			"NEEDS-ACTION": "未回答", "COMPLETED": "完了", "IN-PROCESS": "進行中"},
		Heading: map[string]string{Invites: "招待", Updates: "変更", Assigns: "仕事の依頼", Reassigns: "仕事の変更", Publishes: "お知らせ",
			Cancels: "中止", Uninvites: "招待の取り消し", Takes: "承諾", Leaves: "辞退", Ponders: "仮承諾", Accepts: "出席", Declines: "欠席", Hesitates: "仮承諾", Delegates: "代理", Completes: "完了",
			Works: "進行中", Waits: "未回答", Counters: "別の提案", Refuses: "提案の見送り", Asks: "再送のお願い", Reminds: "リマインダー"},
		Sentence: map[string]string{Invites: "{name} さんから招待が届いています。", Updates: "{name} さんが予定を変更しました。新しい内容をご確認ください。",
			Assigns: "{name} さんから仕事の依頼が届いています。", Reassigns: "{name} さんが仕事の内容を変更しました。新しい内容をご確認ください。",
			Publishes: "{name} さんからのお知らせです。", Cancels: "残念ながら、この予定は {name} さんにより中止されました。",
			Uninvites: "{name} さんが招待を取り消しました。ご出席の必要はありません。",
			Takes:     "{name} さんが仕事を引き受けました。", Leaves: "{name} さんは仕事を引き受けられません。", Ponders: "{name} さんは仮承諾と回答しました。引き受けはまだ確定ではありません。",
			Accepts: "{name} さんは出席します。", Declines: "{name} さんは欠席します。", Hesitates: "{name} さんは仮承諾と回答しました。まだ確定ではありません。",
			Delegates: "{name} さんの代わりに別の方が出席します。", Completes: "{name} さんが仕事を完了しました。", Works: "{name} さんが仕事を進めています。",
			Waits: "{name} さんはまだ回答していません。", Counters: "{name} さんから別の提案が届いています。", Refuses: "{name} さんは元の予定のままを希望しています。",
			Asks: "{name} さんが最新の内容を求めています。", Reminds: "リマインダーです。"},
		OneDate: "繰り返しのうちこの日のみ", More: "ほか{n}名", Nobody: "どなたか",
	},
}

func japaneseNths(l *Locale, nths []int, day int) string {
	name := l.days[day%7]
	if day == workday {
		name = "平日"
	}
	return mapped(l, nths, func(n int) string {
		if n < 0 {
			return "最終" + name
		}
		return fmt.Sprintf("第%d%s", n, name)
	})
}

func japaneseMonths(what string, n int) string {
	if n == 1 {
		return "毎月" + what
	}
	return fmt.Sprintf("%dか月ごとの%s", n, what)
}

func japaneseYears(what string, n int) string {
	if n == 1 {
		return "毎年" + what
	}
	return fmt.Sprintf("%d年ごとの%s", n, what)
}
