# ruff: noqa: E501, SIM905
"""The words that fill the slots of the sample rows, in English and Chinese.

An entry is the text itself, or a pair (how a question says it, the value a tool expects).
"""

from __future__ import annotations

Entry = str | int | tuple[str, str | int]


def _split(text: str) -> list[Entry]:
    return [part.strip() for part in text.split(",")]


WEEKDAYS: list[Entry] = _split("Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday")

ENGLISH: dict[str, list[Entry]] = {
    "city": _split(
        "Oslo, Lisbon, Vienna, Nairobi, Toronto, Kyoto, Dublin, Prague, Athens, Warsaw, Madrid, Berlin, Geneva, Bergen, "
        "Porto, Seville, Lyon, Turin, Zurich, Hamburg, Antwerp, Tallinn, Riga, Cairo, Lima, Bogota, Havana, Denver, "
        "Austin, Boston, Chicago, Seattle, Sydney, Perth, Auckland, Osaka, Seoul, Hanoi, Jakarta, Mumbai"
    ),
    "day": [*_split("today, tomorrow, tonight, this weekend, next week"), *((f"on {d}", str(d)) for d in WEEKDAYS)],
    "name": _split(
        "Anna, Ben, Clara, David, Emma, Felix, Grace, Henry, Irene, Jonas, Karen, Leo, Maria, Nina, Oscar, Paula, "
        "Quentin, Rosa, Simon, Tara, Victor, Wendy, Yusuf, Zoe, Amir, Bella, Carlos, Dora, Elias, Freya"
    ),
    "text": _split(
        "the meeting moved to room 4, I am running late, dinner is ready, the keys are under the mat, happy birthday, "
        "the train is delayed, call me back, the report is finished, see you at the station, the cat is fine, "
        "we won the match, bring an umbrella, the shop closes early, thanks for the cake, the heating is broken, "
        "I found your scarf, lunch is cancelled, the plumber came, the door is locked, good luck with the exam"
    ),
    "task": _split(
        "water the plants, call the dentist, pay the rent, feed the cat, pick up the laundry, take out the bins, "
        "renew the passport, book the flights, defrost the soup, charge the bike, return the library books, "
        "check the oven, send the invoice, buy stamps, walk the dog, clean the gutters, back up the photos, "
        "sign the contract, order new glasses, take the medicine"
    ),
    "time": _split(
        "7:15, 8:00, 8:45, 9:30, 10:10, 11:20, 12:00, 12:40, 13:15, 14:00, 14:50, 15:30, 16:05, 17:25, 18:00, 18:30, "
        "19:00, 19:45, 20:15, 21:30"
    ),
    "date": _split(
        "3 March, 12 March, 27 March, 4 April, 15 April, 30 April, 1 May, 9 May, 21 May, 6 June, 18 June, 25 June, "
        "2 July, 14 July, 31 July, 8 August, 19 August, 5 September, 16 October, 23 November"
    ),
    "amount": [15, 20, 35, 40, 60, 75, 80, 90, 110, 120, 145, 160, 180, 200, 230, 250, 275, 300, 340, 400, 450, 520, 600, 750],
    "currency": [
        ("dollars", "USD"),
        ("euros", "EUR"),
        ("pounds", "GBP"),
        ("yen", "JPY"),
        ("yuan", "CNY"),
        ("francs", "CHF"),
        ("rupees", "INR"),
        ("kroner", "NOK"),
    ],
    "restaurant": _split(
        "Blue Fig, Old Mill, Casa Rosa, Green Door, Lotus House, Red Lantern, Harbour Grill, La Piazza, Golden Spoon, "
        "Stone Oven, Little Hanoi, Paper Crane, Sea Garden, Olive Tree, White Swan, Corner Table"
    ),
    "people": [2, 3, 4, 5, 6, 7, 8, 9, 10, 12],
    "seating": [("outside", "terrace"), ("by the window", "window"), ("at the bar", "bar"), ("in a quiet corner", "quiet")],
    "price": [25, 30, 40, 45, 50, 60, 65, 70, 80, 90],
    "parcel": _split("ZX4418, KP9027, LM3356, QT7710, RB2841, VN6093, HD5572, WS1846, CJ8309, FY4725, GA6618, TE9240"),
    "carrier": _split("DHL, UPS, FedEx, DPD"),
    "title": _split(
        "budget review, team lunch, project kickoff, design workshop, yoga class, parents evening, staff meeting, "
        "book club, sales call, safety training, choir rehearsal, garden party"
    ),
    "artist": _split(
        "Nora Field, The Lanterns, Paolo Reyes, Silver Pines, Mara Lund, The Night Bus, Hugo Stern, Velvet Harbour, "
        "Ines Caldera, Northern Choir, Blue Meridian, Tom Arrow"
    ),
    "room": _split(
        "kitchen, bedroom, bathroom, hallway, study, garage, living room, dining room, attic, cellar, nursery, office"
    ),
    "level": [10, 15, 20, 25, 30, 40, 50, 60, 70, 80],
    "phrase": _split(
        "good morning, where is the station, how much is this, thank you very much, I am lost, a table for two, "
        "see you tomorrow, the bill please, I like your garden, nice to meet you, open the window, it is too cold, "
        "my bag is missing, when does it open, the soup is great"
    ),
    "language": _split("French, German, Spanish, Italian, Japanese, Korean, Polish, Dutch, Greek, Turkish"),
    "food": _split(
        "rice, eggs, tomatoes, spinach, lentils, mushrooms, potatoes, onions, carrots, pasta, chickpeas, cheese, apples, "
        "bananas, bread, butter, lemons, peppers, beans, noodles"
    ),
    "diet": _split("vegan, vegetarian, gluten free, low salt"),
    "count": [1, 2, 3, 4, 5, 6, 8, 10, 12],
    "address": _split(
        "12 Mill Lane, 8 Station Road, 45 Park Street, 3 Harbour View, 27 Church Hill, 60 Rose Avenue, 19 Bridge Street, 5 Elm Close"
    ),
    "slot": [("in the morning", "morning"), ("in the afternoon", "afternoon"), ("in the evening", "evening")],
    "symbol": _split("NVEL, ORBT, PLMR, QUAY, RIDG, SOLA, TRNX, UMBR, VERD, WAVI, XENO, YARN, ZEPH, BRKT, CLDR, DUNE"),
    "landmark": _split(
        "the airport, the museum, the harbour, the central station, the old bridge, the stadium, the market hall, "
        "the library, the town hall, the zoo, the university, the hospital, the castle, the botanical garden"
    ),
    "mode": [("on foot", "walking"), ("by bike", "cycling"), ("by car", "driving"), ("by bus", "transit")],
    "degrees": [16, 17, 18, 19, 20, 21, 22, 23, 24],
    "sky": _split("sunny, cloudy, rainy, windy, foggy, snowy, clear, stormy"),
    "temp": [-4, -1, 2, 5, 7, 9, 11, 13, 16, 18, 21, 24, 27, 30],
    "minutes": [4, 5, 6, 7, 8, 9, 11, 12, 14, 15, 18, 20, 25],
    "total": [18, 27, 36, 42, 54, 63, 71, 88, 97, 104, 126, 135, 153, 168, 192, 217, 248, 366],
    "km": [2, 3, 4, 6, 7, 9, 11, 13, 17, 24],
    "status": _split("on its way, delivered, at the depot, waiting at the post office, held at customs"),
    "dish": _split(
        "harvest stew, sunday bake, market salad, garden soup, village curry, quick stir fry, rustic pie, summer bowl"
    ),
    "foreign": _split("ola vero, ketu mina, sanre poli, dova lin, miru sate, pano kelt, lira onde, vesu tarn"),
    "place": _split(
        "warehouse 2, warehouse 5, boiler room, loading bay, server room, paint shop, east wing, north stairs, car park 3, "
        "kitchen 1, hall 4, hall 7, attic, laundry room, workshop, canteen, archive, pump house"
    ),
}

CHINESE: dict[str, list[Entry]] = {
    "city": _split(
        "北京, 上海, 杭州, 南京, 成都, 重庆, 西安, 武汉, 长沙, 厦门, 青岛, 大连, 苏州, 昆明, 桂林, 天津, 沈阳, 哈尔滨, 拉萨, 三亚, "
        "广州, 深圳, 济南, 合肥"
    ),
    "day": _split("今天, 明天, 后天, 今晚, 周末, 周一, 周二, 周三, 周四, 周五"),
    "name": _split("小王, 小李, 张伟, 刘洋, 陈静, 赵敏, 老周, 吴磊, 孙丽, 林涛, 郑爽, 马超, 何婷, 高远, 罗娜, 许峰"),
    "text": _split(
        "会议改到四号会议室, 我晚到十分钟, 晚饭做好了, 钥匙在门口的垫子下面, 生日快乐, 火车晚点了, 记得回电话, 报告写完了, "
        "车站见, 下雨了带伞, 今天商店早关门, 谢谢你的蛋糕, 暖气坏了, 你的围巾找到了, 午饭取消了, 门已经锁好"
    ),
    "task": _split(
        "浇花, 给牙医打电话, 交房租, 喂猫, 取干洗的衣服, 倒垃圾, 换护照, 订机票, 给自行车充电, 还图书馆的书, 关烤箱, 发发票, "
        "买邮票, 遛狗, 备份照片, 吃药"
    ),
    "time": _split("7:15, 8:00, 8:45, 9:30, 10:10, 11:20, 12:40, 13:15, 14:50, 15:30, 16:05, 17:25, 18:30, 19:45, 20:15, 21:30"),
    "date": _split(
        "3月3日, 3月12日, 3月27日, 4月4日, 4月15日, 4月30日, 5月9日, 5月21日, 6月6日, 6月18日, 7月2日, 7月14日, 8月8日, 9月5日"
    ),
    "amount": [15, 20, 35, 40, 60, 75, 80, 90, 110, 120, 145, 160, 180, 200, 230, 250, 275, 300, 400, 520],
    "currency": [
        ("美元", "USD"),
        ("欧元", "EUR"),
        ("英镑", "GBP"),
        ("日元", "JPY"),
        ("人民币", "CNY"),
        ("瑞士法郎", "CHF"),
        ("卢比", "INR"),
    ],
    "restaurant": _split("蓝月亮, 老磨坊, 荷花楼, 红灯笼, 海港小馆, 金勺子, 石头记, 纸鹤轩, 橄榄树, 白天鹅, 竹里馆, 和平饭店"),
    "people": [2, 3, 4, 5, 6, 7, 8, 9, 10, 12],
    "seating": [("露台的", "terrace"), ("靠窗的", "window"), ("吧台的", "bar"), ("安静的", "quiet")],
    "price": [100, 150, 180, 200, 250, 300, 350, 400, 450, 500],
    "parcel": _split("ZX4418, KP9027, LM3356, QT7710, RB2841, VN6093, HD5572, WS1846, CJ8309, FY4725, GA6618, TE9240"),
    "carrier": _split("顺丰, 中通, 圆通, 韵达"),
    "title": _split(
        "预算评审, 团队午餐, 项目启动会, 设计研讨, 瑜伽课, 家长会, 员工大会, 读书会, 销售电话, 安全培训, 合唱排练, 花园聚会"
    ),
    "artist": _split("白鹿乐队, 夜航船, 林间风, 陈小雨, 老城合唱团, 银松, 海边的阿明, 南山四重奏, 蓝色站台, 周远山"),
    "room": _split("厨房, 卧室, 浴室, 走廊, 书房, 车库, 客厅, 餐厅, 阁楼, 地下室, 儿童房, 办公室"),
    "level": [10, 15, 20, 25, 30, 40, 50, 60, 70, 80],
    "phrase": _split(
        "早上好, 车站在哪里, 这个多少钱, 非常感谢, 我迷路了, 两位用餐, 明天见, 请结账, 我喜欢你的花园, 很高兴认识你, 请开窗, 太冷了"
    ),
    "language": [
        ("法语", "French"),
        ("德语", "German"),
        ("西班牙语", "Spanish"),
        ("日语", "Japanese"),
        ("韩语", "Korean"),
        ("英语", "English"),
    ],
    "food": _split(
        "米饭, 鸡蛋, 番茄, 菠菜, 扁豆, 蘑菇, 土豆, 洋葱, 胡萝卜, 面条, 豆腐, 苹果, 香蕉, 面包, 黄油, 柠檬, 青椒, 四季豆"
    ),
    "diet": [("纯素", "vegan"), ("素食", "vegetarian"), ("无麸质", "gluten free"), ("低盐", "low salt")],
    "count": [1, 2, 3, 4, 5, 6, 8, 10, 12],
    "address": _split("磨坊巷12号, 车站路8号, 公园街45号, 海景路3号, 教堂坡27号, 玫瑰大道60号, 桥头街19号, 榆树弄5号"),
    "slot": [("上午", "morning"), ("下午", "afternoon"), ("晚上", "evening")],
    "symbol": _split("NVEL, ORBT, PLMR, QUAY, RIDG, SOLA, TRNX, UMBR, VERD, WAVI, XENO, YARN, ZEPH, BRKT, CLDR, DUNE"),
    "landmark": _split("机场, 博物馆, 港口, 火车站, 老桥, 体育场, 菜市场, 图书馆, 市政厅, 动物园, 大学, 医院, 城堡, 植物园"),
    "mode": [("步行", "walking"), ("骑车", "cycling"), ("开车", "driving"), ("坐公交", "transit")],
    "degrees": [16, 17, 18, 19, 20, 21, 22, 23, 24],
    "sky": _split("晴, 多云, 小雨, 有风, 有雾, 小雪, 阴, 雷阵雨"),
    "temp": [-4, -1, 2, 5, 7, 9, 11, 13, 16, 18, 21, 24, 27, 30],
    "minutes": [4, 5, 6, 7, 8, 9, 11, 12, 14, 15, 18, 20, 25],
    "total": [18, 27, 36, 42, 54, 63, 71, 88, 97, 104, 126, 135, 153, 168, 192, 217, 248, 366],
    "km": [2, 3, 4, 6, 7, 9, 11, 13, 17, 24],
    "status": _split("正在路上, 已签收, 在分拣中心, 在驿站等待取件, 海关处理中"),
    "dish": _split("丰收炖菜, 周日烤盘, 市集沙拉, 田园汤, 乡村咖喱, 快手小炒, 家常馅饼, 夏日拌饭"),
    "foreign": _split("ola vero, ketu mina, sanre poli, dova lin, miru sate, pano kelt, lira onde, vesu tarn"),
    "place": _split(
        "二号仓库, 五号仓库, 锅炉房, 装卸区, 机房, 喷漆车间, 东楼, 北楼梯, 三号停车场, 一号厨房, 四号大厅, 洗衣房, 食堂, 档案室"
    ),
}

IMAGE_STEMS = (
    "cam yard roof gate hall shed attic kitchen tower depot lobby garage barn corridor office bakery cabin shop stairs "
    "basement terrace factory school hotel pier boiler laundry workshop canteen archive"
).split()
IMAGE_ENDINGS = ("jpg", "png", "jpeg")

WORDS = {"en": ENGLISH, "zh": CHINESE}
